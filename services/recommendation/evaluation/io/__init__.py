"""Reads events from files and from the database and splits them into train and test."""
