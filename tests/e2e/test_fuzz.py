"""A sample of `make fuzz` against the five agents."""

import pytest

from benchmarks.fuzz.__main__ import fuzz

INPUTS = 2_000
EXAMPLES = 5
"""Of hypothesis, for each method."""
SEED = 11

pytestmark = pytest.mark.slow


def test_odd_requests_end_in_no_error_that_nobody_meant() -> None:
    findings, _, crashes, _ = fuzz(INPUTS, SEED, EXAMPLES)
    assert findings.inputs > INPUTS
    assert (findings.internal_errors, findings.hangs, crashes) == (0, 0, 0), findings.samples
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(findings.by_code())
