"""The report: finished runs → one HTML file that needs no network, no model and no server."""
