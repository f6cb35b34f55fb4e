"""Rows of numbers → plotly figures, in the colours of the light theme. No results, no files, no page."""
