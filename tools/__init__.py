"""Figures about this repository that anyone can check: `python -m tools.structure`, `trace_calls`, `same_numbers`."""
