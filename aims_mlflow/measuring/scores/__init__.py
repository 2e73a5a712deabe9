"""Scikit-learn's metrics of a model's answers, their intervals, and what one model gains over another."""
