"""What the emoji model and its detectors can do, measured: the figures of the model card."""
