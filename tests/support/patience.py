"""How long a test waits for what must come true, before it fails."""

PATIENCE_SECONDS = 60.0
"""Never reached where all is well: long, so that a busy machine is not taken for a fault."""
