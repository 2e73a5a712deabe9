"""Groups of people: who is in which, their rates, errors and scores, and how they stand to the population."""
