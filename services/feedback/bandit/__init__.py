"""Posteriors of bandits from logged decisions and what came of them."""
