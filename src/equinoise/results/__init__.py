"""What the verbs return: frozen and typed; in JSON, as a table, as a chart; written to and read from `run.json`."""
