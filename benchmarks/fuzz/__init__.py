"""Odd requests to real agents: none may crash one, hang, or end in an error that nobody meant."""
