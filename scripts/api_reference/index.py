"""The list of the coordinator's RPCs at the top of the page, by the headings that group them."""

import re

BEGIN, END = "<!-- index -->\n", "<!-- end of index -->\n"
OTHERS = "\n# The other agents"
"""Heading of what follows the coordinator's RPCs."""


def with_index(page: str) -> str:
    """Return the page with the present list."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    rows = [
        f"| {group} | {', '.join(f'[{name}](#{name.lower()})' for name in names)} |" for group, names in groups(after)
    ]
    return before + BEGIN + "\n".join(["| | |", "|---|---|", *rows]) + "\n" + END + after


def groups(page: str) -> list[tuple[str, list[str]]]:
    """Return the groups of the coordinator's RPCs, each with their names."""
    ours = page.partition(OTHERS)[0].partition("\n# Coordinator")[2]
    sections = re.split(r"^## (.+)$", ours, flags=re.MULTILINE)[1:]
    return [
        (title, re.findall(r"^### (\w+)$", text, re.MULTILINE))
        for title, text in zip(sections[::2], sections[1::2], strict=True)
    ]
