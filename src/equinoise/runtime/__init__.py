"""What the verbs share: the loaded model and its settings, the detector, the question, how images are made and read."""
