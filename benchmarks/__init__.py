"""Benchmarks: what a user would do instead, against ours, on the same data and with the same numbers out. `python -m benchmarks`."""
