"""Contextual bandits: features of a list, posteriors of what variants earn, and the choice among them. Arrays only."""
