"""What tuning decided, as a table."""

from typing import Any

from rich.table import Table

from cli.output import out


def print_tuned(result: dict[str, Any]) -> None:
    """Print a row for each algorithm: its values, what differs from the defaults, and why."""
    algorithms: dict[str, Any] = result.get("algorithms", {})
    if algorithms:
        table = Table(box=None, pad_edge=False)
        table.add_column("", no_wrap=True)
        for title in ("default", "chosen", "difference, 95 %"):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("parameters and why")
        for name, decided in algorithms.items():
            table.add_row(name, *_values(decided["evidence"]), _why(decided))
        out.print(table)
    for note in _notes(result):
        out.print(note, highlight=False, markup=False)


def _values(evidence: dict[str, Any]) -> tuple[str, str, str]:
    if "default" not in evidence:
        return "–", "–", "–"
    between = evidence["difference"]
    interval = f"{between['value']:+.4f} ({between['low']:+.4f} to {between['high']:+.4f})"
    return f"{evidence['default']:.4f}", f"{evidence['chosen']:.4f}", interval


def _why(decided: dict[str, Any]) -> str:
    evidence = decided["evidence"]
    params = ", ".join(f"{name} {value}" for name, value in decided["params"].items()) or "defaults"
    if "questions" not in evidence:
        return f"{params}: {evidence['decision']}"
    asked = f"{evidence['questions']:,} questions, {evidence['protocol']}, {evidence['trials']} trials"
    return f"{params}: {evidence['decision']} ({asked})"


def _notes(result: dict[str, Any]) -> list[str]:
    """Return what else there is to say."""
    notes = [result[name] for name in ("skipped", "failed") if result.get(name)]
    if "trials_made" in result and not notes:
        notes.append(
            f"{result['trials_found']} trials found, {result['trials_made']} made in {result['seconds']:.0f} s"
        )
    for name, words in (("unchanged", "data has hardly changed"), ("not_reached", "no time left")):
        if result.get(name):
            notes.append(f"{words} for {', '.join(result[name])}")
    decisions = result.get("algorithms", {}).values()
    if any(decided["params"] for decided in decisions):
        notes.append("used from the next training on: quintet train")
    return notes if notes or decisions else ["nothing was tuned yet: quintet tune"]
