"""Tables in Markdown."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Return a Markdown table; `align` has a letter a column, `l` or `r`."""
    rule = ["---:" if side == "r" else "---" for side in align]
    lines = [" | ".join(line) for line in (head, rule, *rows)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"
