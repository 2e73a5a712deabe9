"""Tests of operation: a model after deployment."""
