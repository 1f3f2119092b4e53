"""Benchmarks of what grows: the disk that events and answers take."""
