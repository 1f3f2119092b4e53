"""The learned hybrid: candidates of all algorithms, ordered by what was learned from a validation split inside train.

Arrays in, arrays out: nothing here knows of databases or servers.
"""
