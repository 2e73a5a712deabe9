"""A model on trial: disturbed, damaged, searched and sliced, and what became of its answers."""
