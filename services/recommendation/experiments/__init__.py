"""Experiments as they are stored: create, stop, conclude, list and delete them."""
