"""What the images show and what the encoders think: counts, audits, relations, objects, disagreements."""
