"""What each command does, as a function of plain arguments that returns its JSON.

Each module is imported by the command that needs it: labels are audited without loading torch.
"""
