"""Continuous improvement: looks for drift, and takes runs through canary, holdback and roll-back."""
