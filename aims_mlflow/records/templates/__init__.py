"""Templates of the records, read with importlib.resources."""
