"""The fitted models of one training and how they are stored."""
