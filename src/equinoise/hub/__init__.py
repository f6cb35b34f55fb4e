"""Sharing directions and plans: a folder or a repository with a readable card."""
