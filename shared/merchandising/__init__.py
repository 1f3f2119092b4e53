"""Merchandising: placements and rules as values, how they are checked and loaded, and what they do to a list."""
