"""RetailRocket: products viewed in the sessions of a shop."""

import gzip
from collections.abc import Iterable
from pathlib import Path

from benchmarks.quality.sets.dataset import Dataset, Evaluation, Split, Table, events, require
from benchmarks.quality.sets.lines import read_lines
from services.recommendation.holdout.tasks import Protocol

SHORTEST_SESSION = 2
"""Items of a session known before its first question."""

Session = tuple[str, list[int]]


def read(folder: Path) -> Split:
    """Return `train_sessions.txt.gz`, and the sessions that the questions of `test.tsv.gz` are of.

    The questions of a session have all its beginnings from two items on, so that its longest one with the target is
    the session. Asking after every item but the first gives exactly the published questions.
    """
    known, questions = require(folder, "train_sessions.txt.gz", "test.tsv.gz")
    train = [(f"train-{number}", items) for number, items in enumerate(read_lines(known))]
    return Split(_events(train), _events(sessions_of(_questions(questions))))


def sessions_of(questions: Iterable[tuple[str, list[int], int]]) -> list[Session]:
    """Return the sessions, in the order they come up, of questions: session, items before, item that came next.

    Raises
    ------
    ValueError
        If the questions of a session are not exactly those after each of its items but the first.
    """
    by_session: dict[str, dict[int, list[int]]] = {}
    for session, before, target in questions:
        by_session.setdefault(session, {})[len(before)] = [*before, target]
    return [(session, _whole(session, asked)) for session, asked in by_session.items()]


def _whole(session: str, asked: dict[int, list[int]]) -> list[int]:
    whole = asked[max(asked)]
    expected = {known: whole[: known + 1] for known in range(SHORTEST_SESSION, len(whole))}
    if asked != expected:
        raise ValueError(f"session {session}: the questions are not those of one session")
    return whole


def _questions(path: Path) -> Iterable[tuple[str, list[int], int]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        columns = next(file).rstrip("\n").split("\t")
        for line in file:
            row = dict(zip(columns, line.rstrip("\n").split("\t"), strict=True))
            yield row["session_id"], list(map(int, row["prefix"].split())), int(row["target_item"])


def _events(sessions: list[Session]) -> Table:
    return events(
        None,
        [item for _, items in sessions for item in items],
        event_type="view",
        session_id=[name for name, items in sessions for _ in items],
    )


DATASET = Dataset(
    name="retailrocket_sessions",
    title="RetailRocket sessions",
    about="Products viewed, by session; the test sessions are those of the last week. Asked is after each item of a"
    " test session but the first, as published. Train has no times: its order is that of the file.",
    read=read,
    rows=(685_984, 24_602),
    evaluations=(
        Evaluation(
            Protocol.SESSION,
            k=20,
            questions=15_132,
            shortest_session=SHORTEST_SESSION,
            metrics=("hit_rate", "mrr"),
        ),
    ),
)
