"""Frames themselves: their rows, columns, order in time, likeness to one another, and the steps that made them."""
