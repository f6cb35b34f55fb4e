"""Drawings of others, and ours around them: from what a scene shows to a picture with the box of every object."""
