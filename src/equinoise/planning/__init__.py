"""Pilots → response → candidates → solver: the mixture of interventions that meets a target at the least cost."""
