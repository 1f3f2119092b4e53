"""Measurements of the learning loop."""
