"""The parts of the benchmark.

A part is a module of this package, run as `python -m benchmarks.learning.NAME` in a process of its own. It prints what
`figures.printed` returns. To add a part, add its line here.
"""

PARTS = {
    "aa": "False positives of A/A tests, at any peeking schedule",
    "event_feedback": "What learning from shown lists costs and brings",
    "ab": "Power of A/B tests, measured and as the calculator promises",
    "obp_comparison": "Off-policy estimators beside those of the Open Bandit Pipeline",
    "off_policy": "How often intervals of off-policy estimates hold the truth",
    "simulation": "What the loop brings in a simulated shop",
    "serving": "What learning adds to an answer",
    "metrics_day": "Metrics of a day of a million events",
}
"""Title by name, in the order of the page."""
