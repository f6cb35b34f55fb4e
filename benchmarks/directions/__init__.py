"""Directions: estimators, prompts, seeds, steps and weights, and other ways to shift."""
