"""Benchmarks of the learning loop: whether what it finds out is true, and what it brings."""
