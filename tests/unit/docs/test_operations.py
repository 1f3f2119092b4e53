"""The runbook has a section for each finding, where the finding says it is."""

import re
from pathlib import Path

import pytest

from services.coordinator.diagnosis.findings import Code, Finding, Severity

ROOT = Path(__file__).parents[3]


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them of plain words."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("code", Code)
def test_each_finding_has_its_section(code: Code) -> None:
    page, _, anchor = Finding(code, Severity.ERROR, "", "", "").runbook.partition("#")
    assert anchor in anchors(page)
