"""Checks: one file each, a pure function from what the hooks saw to measures."""
