"""Data that ships with the package: the control catalogue, schemas and the demo data, read with importlib.resources."""
