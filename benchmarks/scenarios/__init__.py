"""The paper's scenarios, before and after: `python -m benchmarks.scenarios`."""
