"""Benchmarks on public data. No part of the product: nothing here is installed with it."""
