"""What the learning loop brings and costs."""
