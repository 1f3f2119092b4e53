"""The statistics of metrics and experiments: arrays and counts in, estimates and intervals out.

Nothing here knows gRPC or SQL. Functions that take `Values` work on single numbers and, elementwise, on arrays.
"""
