"""A simulated shop, whose hidden customers were learned from real baskets, and the real agents that serve it."""
