"""Measurements that anyone can repeat: each module prints a table and writes its JSON under `benchmarks/results/`."""
