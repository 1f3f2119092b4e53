"""Recommendation algorithms, one per file. They use neither gRPC nor SQL."""
