"""What is done to the initial noise of an image, for which prompts, and how a pipeline of diffusers is steered."""
