"""How fast the agents answer and record, against an empty service on the same stack."""
