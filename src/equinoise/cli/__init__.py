"""The command line: it parses, calls the public functions, and prints."""
