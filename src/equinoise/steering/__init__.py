"""What is done to the noise of an image, for which prompts, and how a pipeline that lives already is steered."""
