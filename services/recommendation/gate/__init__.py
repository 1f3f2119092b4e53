"""Stored models on questions that none of them has learned from: the paired test of a candidate, replays of a day."""
