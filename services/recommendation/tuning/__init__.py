"""Tuning: which parameters suit the data at hand, chosen on questions held out of it, never on a test."""
