"""The verbs that compare: runs before and after, and methods of mitigation on the same seeds."""
