"""What comparisons found: runs before and after, and methods of mitigation."""
