"""Folders of images: what lies in them, what is known of each image, and which images are the same evidence."""
