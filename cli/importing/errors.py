"""Why an import cannot go on at all, as opposed to one row of it."""


class ImportAborted(Exception):
    """Nothing usable can be done: bad arguments, an unreadable file, missing columns, or a bad row with `--strict`."""
