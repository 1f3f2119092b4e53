"""What the journey prints: a line and a table a step for people, or one JSON object a line for programs."""

import json
import sys
from typing import Any

COLUMNS = (("product_name", 32), ("price", 11), ("algorithm", 16), ("score", 6), ("reason", 70))


class Report:
    """Prints the outcome of each step."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def done(self, step: str, fields: dict[str, Any]) -> None:
        """Print a step whose checks hold."""
        if self._as_json:
            print(json.dumps({"step": step, "ok": True, **fields}), flush=True)
            return
        facts = "  ".join(f"{name}={text(value)}" for name, value in fields.items() if name != "recommendations")
        print(f"{step:<20} {facts}", flush=True)
        for row in fields.get("recommendations", []):
            print("    " + "  ".join(text(row[name])[:width].ljust(width) for name, width in COLUMNS).rstrip())

    def failed(self, step: str, error: str) -> None:
        """Print the step that ended the journey, and why."""
        if self._as_json:
            print(json.dumps({"step": step, "ok": False, "error": error}), flush=True)
        else:
            print(f"{step}: {error}", file=sys.stderr)


def text(value: Any) -> str:
    """Return a value as people read it: lists with commas, objects as their values."""
    if isinstance(value, list):
        return ", ".join(map(text, value)) or "none"
    if isinstance(value, dict):
        return " ".join(map(text, value.values()))
    return str(value)
