"""Recommendation algorithms, one a file. They know neither gRPC nor SQL."""
