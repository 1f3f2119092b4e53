"""Evaluation, as a process of its own: `python -m services.recommendation.evaluation.job REQUEST`.

REQUEST is a JSON object with the fields of `Request`. The report is written to its `out`; the result says where.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation import ranker_registry
from services.recommendation.evaluation.io.database import split_database
from services.recommendation.evaluation.io.files import ColumnNames, read_events
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit, split_files
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.plot import plot, require_matplotlib
from services.recommendation.evaluation.report import Report
from services.recommendation.evaluation.run import EvaluationPlan, evaluate
from services.recommendation.evaluation.shown_evaluation import evaluate_shown
from services.recommendation.holdout.tasks import Protocol
from services.recommendation.training.parameters import tuned_algorithms
from shared.config import Settings
from shared.db.connect import job_database
from shared.db.shown_lists import ShownLimits
from shared.db.tuning import Tuned, all_tuned
from shared.errors import FailedPrecondition, InvalidArgument
from shared.jobs import ProgressReporter, job_main
from shared.values import MILLION, BadValue, time_parser

E = TypeVar("E", bound=Enum)
READING, SHOWN = 0.05, 0.8
"""Shares of the whole progress after which is ranked, and after which shown lists are asked for."""
PICTURES = (".png", ".svg")
NEGATIVES = ("reject", "refund")
GUESTS = ("reject", "visitor")
RECALLS: tuple[Literal["min", "all"], ...] = ("min", "all")


@dataclass(frozen=True)
class Request:
    """What to evaluate, as given on the command line.

    Parameters
    ----------
    out : str
        File that the report is written to.
    train, test : str
        Files of events; empty for the database.
    columns, event_types : tuple of str
        Names in the files: `THEIRS=OURS` of columns, `[THEIRS=]OURS` of types of events.
    negative_quantity : str
        What becomes of purchases with a negative quantity: `reject` or `refund`, which leaves them out.
    guests : str
        What becomes of events of nobody: `reject`, or `visitor`, one for each order.
    cutoff : str
        Moment that splits the database, or at which is asked: ISO 8601 or Unix time.
    protocol : str
        One of `Protocol`.
    algorithms : list of str
        Names of the rankers; empty for the defaults.
    all_algorithms : bool
        All the product's algorithms as well.
    target : str
        Kind of event that counts as an answer: purchase, cart or view; empty for the strongest in test.
    plot : str
        File of the picture; empty for none.
    tuned : bool
        With the parameters that tuning chose on the database, instead of the defaults.
    served : bool
        The page path as well: what a shop shows, and each step to it.
    dataset : str
        What the report calls the data; empty for its folder, file or database.
    exclude_seen, k, recall_over, bootstrap, seed, limit_questions, shortest_session
        As in `EvaluationPlan`.
    """

    out: str
    train: str = ""
    test: str = ""
    columns: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    negative_quantity: str = "reject"
    guests: str = "reject"
    cutoff: str = ""
    protocol: str = Protocol.TOP_N.value
    exclude_seen: bool | None = None
    algorithms: tuple[str, ...] = ()
    all_algorithms: bool = False
    target: str = ""
    tuned: bool = False
    k: tuple[int, ...] = (20,)
    recall_over: str = "min"
    dataset: str = ""
    seed: int = 0
    bootstrap: int = 1000
    limit_questions: int | None = None
    shortest_session: int = 1
    plot: str = ""
    served: bool = False

    @classmethod
    def of_json(cls, text: str) -> Self:
        """Return the request of a JSON object."""
        values = json.loads(text)
        return cls(**{field.name: _frozen(values[field.name]) for field in fields(cls) if field.name in values})

    def plan(self, threads: int) -> EvaluationPlan:
        """Return what is asked. Raises InvalidArgument naming the option."""
        return EvaluationPlan(
            dataset=self.dataset or self._name(),
            protocol=_choice("protocol", self.protocol, Protocol),
            ks=self.k,
            target=_target(self.target) if self.target else None,
            exclude_seen=self.exclude_seen,
            recall_over=_recall(self.recall_over),
            resamples=self.bootstrap,
            seed=self.seed,
            most_questions=self.limit_questions,
            shortest_session=self.shortest_session,
            threads=threads,
        )

    def column_names(self) -> ColumnNames:
        """Return the names that the files use. Raises InvalidArgument naming the option."""
        for name, value, words in (
            ("negative_quantity", self.negative_quantity, NEGATIVES),
            ("guests", self.guests, GUESTS),
        ):
            if value not in words:
                raise InvalidArgument.of(name, value, f"must be one of {', '.join(words)}")
        return ColumnNames(
            self.columns,
            self.event_types,
            returns=self.negative_quantity == "refund",
            guests=self.guests == "visitor",
        )

    def names(self) -> list[str]:
        """Return the names of those that take part. Raises InvalidArgument for an unknown one."""
        chosen = list(self.algorithms or ranker_registry.default_names())
        if self.served and OfflineRanker.name not in chosen:
            chosen.insert(0, OfflineRanker.name)
        ranker_registry.require_known(chosen)
        return list(dict.fromkeys([*chosen, *(ranker_registry.names() if self.all_algorithms else [])]))

    def moment(self) -> int | None:
        """Return the cutoff in Unix seconds. Raises InvalidArgument when it is no time."""
        try:
            found = time_parser(UTC)(self.cutoff)
        except BadValue as error:
            raise InvalidArgument.of("cutoff", self.cutoff, str(error)) from error
        return None if found is None else found // MILLION

    def _name(self) -> str:
        if not self.train:
            return "database"
        path = Path(self.train).absolute()
        same_folder = path.parent == Path(self.test).absolute().parent
        return path.parent.name if same_folder and path.parent.name else path.name.partition(".")[0]


def work(settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Evaluate as the argument of the process says, and return where the report is."""
    return run(Request.of_json(sys.argv[1]), settings, reporter)


def run(request: Request, settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Evaluate, write the report and the picture, and return where they are.

    Raises
    ------
    InvalidArgument
        If an option or a value in a file cannot be used.
    FailedPrecondition
        If there is nobody to ask or to be asked, or the picture cannot be drawn.
    """
    plan, names, moment = request.plan(settings.train_threads), request.names(), request.moment()
    request.column_names()
    missing = ranker_registry.missing(names)
    _require_some(names, missing)
    require_writable(request)
    reporter.report("reading", 0.0)
    split_data = _split_data(request, settings, moment, by_session=plan.protocol is Protocol.SESSION)
    protocol, target, _ = plan.settled(split_data)
    missing |= ranker_registry.unsuited(names, protocol, split_data.train, target)
    there = _require_some(names, missing)
    tuned = _tuned(settings) if request.tuned else {}
    params = {name: each.params for name, each in tuned.items()}
    rankers = ranker_registry.rankers(there, seed=plan.seed, threads=plan.threads, params=params)
    rankers = ranker_registry.with_served(rankers) if request.served else rankers
    with_shown = not request.train and OfflineRanker.name in there
    ranked = SHOWN if with_shown else 1.0
    report = evaluate(
        split_data, plan, rankers, lambda stage, done: reporter.report(stage, READING + (ranked - READING) * done)
    )
    if with_shown:
        report.shown_lists = evaluate_shown(
            split_data,
            partial(tuned_algorithms, params),
            lambda stage, done: reporter.report(f"shown lists: {stage}", SHOWN + (1 - SHOWN) * done),
            threads=plan.threads,
            resamples=plan.resamples,
            seed=plan.seed,
        )
    made = datetime.now(UTC).isoformat(timespec="seconds")
    report.settings |= {"skipped": missing, "made": made, "tuned": params}
    report.settings.setdefault("warnings", []).extend(_tuned_on_test(tuned, split_data) if not request.train else [])
    return _written(report, request)


def _split_data(request: Request, settings: Settings, moment: int | None, *, by_session: bool) -> TrainTestSplit:
    if bool(request.train) != bool(request.test):
        raise InvalidArgument("train, test: give both files, or neither for the database")
    if request.train:
        if _same(request.train, request.test):
            raise InvalidArgument.of("test", request.test, "is the file of train as well")
        train, test = (read_events(Path(path), request.column_names()) for path in (request.train, request.test))
        return split_files(train, test, by_session=by_session, cutoff=moment)
    database = job_database(settings)
    try:
        limits = ShownLimits(settings.train_most_lists, settings.train_lists_days)
        return split_database(
            database, by_session=by_session, cutoff=moment, default=settings.permissions, lists=limits
        )
    finally:
        database.close()


def _require_some(names: list[str], missing: Mapping[str, str]) -> list[str]:
    """Return the names that are not missing. Raises FailedPrecondition where none is left."""
    there = [name for name in names if name not in missing]
    if not there:
        raise FailedPrecondition("; ".join(f"{name}: {why}" for name, why in missing.items()))
    return there


def _same(one: str, other: str) -> bool:
    return Path(one).exists() and Path(other).exists() and Path(one).samefile(other)


def _tuned(settings: Settings) -> dict[str, Tuned]:
    """Return what tuning chose that is not the defaults. Raises FailedPrecondition if there is nothing."""
    database = job_database(settings)
    try:
        with database.read() as connection:
            found = {name: each for name, each in all_tuned(connection).items() if each.params}
    finally:
        database.close()
    if not found:
        raise FailedPrecondition("tuned: tuning has chosen nothing but the defaults on this database")
    return found


def _tuned_on_test(tuned: Mapping[str, Tuned], split_data: TrainTestSplit) -> list[str]:
    """Return a warning where tuning looked at what is asked for now."""
    names = [name for name, each in tuned.items() if each.tuned_at.timestamp() > split_data.cutoff]
    if not names:
        return []
    return [f"{', '.join(names)}: tuned on data that reaches into the test, so that the figures may flatter"]


def require_writable(request: Request) -> None:
    """Raise InvalidArgument or FailedPrecondition for files that could not be written once all is measured."""
    for name, value in (("out", request.out), ("plot", request.plot)):
        if value and (why := _unwritable(Path(value).absolute())):
            raise InvalidArgument.of(name, value, why)
    if request.plot:
        if Path(request.plot).suffix not in PICTURES:
            raise InvalidArgument.of("plot", request.plot, f"must end in {' or '.join(PICTURES)}")
        require_matplotlib()


def _unwritable(path: Path) -> str:
    """Return why a file could not be written, as far as can be known beforehand; empty where it could."""
    if path.is_dir():
        return "is a folder"
    if path.exists():
        return "" if os.access(path, os.W_OK) else "cannot be written to"
    there = path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)
    return "" if there else "there is no such folder that can be written to"


def _written(report: Report, request: Request) -> dict[str, Any]:
    """Write the picture and the report, and return where they are."""
    drawn = request.plot if request.plot and _drawn(report, request.plot) else ""
    Path(request.out).write_text(json.dumps(report.as_dict(), indent=1) + "\n")
    return {"out": request.out, "plot": drawn, "rows": len(report.rows)}


def _drawn(report: Report, picture: str) -> bool:
    """Draw the picture and return whether that went well; if not, the report says why."""
    try:
        plot(report.rows, Path(picture))
    except Exception as error:  # whatever it is: what was measured, perhaps for hours, is worth more than a picture
        report.settings["warnings"].append(f"{picture} could not be written: {error}")
        return False
    return True


def _choice(name: str, value: str, choices: type[E]) -> E:
    try:
        return choices(value)
    except ValueError:
        words = ", ".join(str(each.value) for each in choices)
        raise InvalidArgument.of(name, value, f"must be one of {words}") from None


def _target(word: str) -> Kind:
    kinds = {kind.name.lower(): kind for kind in Kind}
    if word not in kinds:
        raise InvalidArgument.of("target", word, f"must be one of {', '.join(kinds)}")
    return kinds[word]


def _recall(word: str) -> Literal["min", "all"]:
    found = next((each for each in RECALLS if each == word), None)
    if found is None:
        raise InvalidArgument.of("recall_over", word, f"must be one of {', '.join(RECALLS)}")
    return found


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    raise SystemExit(job_main("recommendation", work))
