"""What the lists of a placement would have earned with another configuration, from the log."""
