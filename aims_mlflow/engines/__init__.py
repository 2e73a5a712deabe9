"""Frames of any engine: what one is, counts over all of its rows, a digest of its content, and a bounded sample as pandas."""
