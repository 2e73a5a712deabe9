"""Templates of the pages, read with importlib.resources."""
