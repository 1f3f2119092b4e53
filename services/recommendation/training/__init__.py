"""Fits the algorithms and the rerankers and stores a new model version."""
