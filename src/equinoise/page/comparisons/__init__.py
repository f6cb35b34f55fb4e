"""What the page says of comparisons: runs before and after, and methods of mitigation."""
