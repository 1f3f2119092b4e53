"""Copies of the whole database in a file, taken while the agents run, and the way back."""
