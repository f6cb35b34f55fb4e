"""The command line: it parses, calls the public functions, and prints. Commands and JSON: docs/cli.md."""
