"""Answers requests: retrieves candidates, ranks them, applies the rules of the page, explains and logs."""
