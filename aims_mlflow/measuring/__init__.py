"""What checks measure with: predictions, groups, scores and their intervals, perturbations, expectations, steps."""
