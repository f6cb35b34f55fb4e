"""Inputs made after public bug reports, each judged by a script: `python -m benchmarks.cases FOLDER`."""
