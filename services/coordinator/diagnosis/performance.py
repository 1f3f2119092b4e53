"""The rules on how agents perform: what their last samples say."""

from collections.abc import Iterator

from services.coordinator.diagnosis.facts import Facts, StoredFacts
from services.coordinator.diagnosis.findings import Code, Finding, Severity
from shared.db.agent_samples import StoredSample
from shared.monitoring.thresholds import Breach, breaches

MOST_CLOCK_SECONDS, FAR_CLOCK_SECONDS = 2.0, 60.0
CODES = {
    "p99_ms": (Code.ANSWERS_SLOW, "Look at processor, disk and what runs beside; add replicas or cores."),
    "failed_share": (Code.CALLS_FAILING, "Look for `call failed` in its log."),
    "memory_mb": (Code.MEMORY_HIGH, "Give the machine more memory, or look whether it grows without end."),
    "cpu_cores": (Code.CPU_HIGH, "Add a replica, or cores."),
    "fallback_share": (Code.FALLBACKS_MANY, "See why the recommendation agent does not answer in time."),
    "empty_share": (Code.ANSWERS_EMPTY, "Look at filters and rules that leave nothing, and at stock."),
}
"""By the figure that is beyond its threshold: the kind of finding and what to do."""


def performance(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    """Yield what samples say that is beyond the thresholds."""
    for each in stored.samples:
        for breach in breaches(each.sample, facts.thresholds):
            yield _beyond(each, breach)


def clocks(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    """Yield whose clock differs from the database's: that of the coordinator and those of the agents' processes."""
    ahead = {f"{each.agent} {each.instance}": each.clock_ahead_seconds for each in stored.samples}
    ahead["coordinator"] = stored.database.own_clock_ahead_seconds
    for subject, seconds in ahead.items():
        if abs(seconds) > MOST_CLOCK_SECONDS:
            severity = Severity.ERROR if abs(seconds) > FAR_CLOCK_SECONDS else Severity.WARNING
            side = "ahead of" if seconds > 0 else "behind"
            problem = f"Its clock is {abs(seconds):.1f} seconds {side} the database's."
            step = "Have the clocks of all machines set over the network (NTP)."
            yield Finding(Code.CLOCK_DIFFERS, severity, subject, problem, step)


def _beyond(stored: StoredSample, breach: Breach) -> Finding:
    code, step = CODES[breach.figure]
    minutes = stored.sample.seconds / 60
    problem = (
        f"Over {minutes:.0f} minutes {breach.figure} was {breach.value:g}; {breach.most:g} is the most that is well."
    )
    return Finding(code, Severity.WARNING, f"{stored.agent} {stored.instance}", problem, step, stored.sampled_at)
