"""Experiments as they are stored, with their states and the log of their decisions."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentDecision, ExperimentState

from services.recommendation.merchandising.definitions import Definitions
from shared.db.engine import Connection, Database
from shared.db.exposures import forget_exposures
from shared.db.placements import EXPERIMENTS, Stored
from shared.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from shared.events.check import check_choice, check_text
from shared.experiments import actions
from shared.experiments.assignment import BUCKETS
from shared.experiments.convert import buckets_of, to_experiment
from shared.experiments.experiment import Design
from shared.limits import MAX_DECISIONS, MAX_DEFINITIONS, MAX_NOTE
from shared.merchandising.names import check_name
from shared.timestamps import to_datetime, to_timestamp

RUNNING = ExperimentState.EXPERIMENT_STATE_RUNNING
STOPPED = ExperimentState.EXPERIMENT_STATE_STOPPED
CONCLUDED = ExperimentState.EXPERIMENT_STATE_CONCLUDED
CLOCKS_APART = timedelta(minutes=5)
"""How far a caller's clock may be behind: a start time that is not older is not in the past."""
_OUTPUT_ONLY = ("state", "chosen_arm_id", "decisions", "first_bucket", "update_time")


class ExperimentStore:
    """The experiments of a database. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now
        self._definitions = Definitions(database, "experiment", EXPERIMENTS, Experiment, to_experiment)

    def create(self, given: Experiment) -> Experiment:
        """Store a new experiment, which runs from its start time on; one that is stored just so already is returned.

        Raises InvalidArgument; AlreadyExists for the id of another; FailedPrecondition when there are too many, or the
        layer has not so much traffic left.
        """
        new = _bare(given)
        _check_use(new)
        self._check_start(new)
        with self._database.write() as connection:
            EXPERIMENTS.lock(connection)
            known = EXPERIMENTS.get(connection, new.experiment_id)
            if known is not None:
                return self._same(known, given)
            if EXPERIMENTS.count(connection) >= MAX_DEFINITIONS:
                raise FailedPrecondition(f"there are {MAX_DEFINITIONS} already: delete an experiment first")
            new.first_bucket = self._room(connection, new)
            if not new.HasField("start_time"):
                new.start_time.CopyFrom(to_timestamp(self._now()))
            new.state = RUNNING
            return self._put(connection, new, actions.CREATED)

    def stop(self, name: str, reason: str = "") -> Experiment:
        """End an experiment without a decision; one that is stopped stays so.

        Raises InvalidArgument, NotFound, FailedPrecondition for one that was concluded.
        """
        check_text(reason, "reason", MAX_NOTE)
        with self._database.write() as connection:
            EXPERIMENTS.lock(connection)
            found = self._get(connection, name)
            if found.state == CONCLUDED:
                raise FailedPrecondition(f"experiment {name} was concluded with arm {found.chosen_arm_id}")
            if found.state == STOPPED:
                return found
            found.state = STOPPED
            return self._put(connection, found, actions.STOPPED, reason=reason)

    def conclude(self, name: str, arm_id: str, reason: str = "") -> Experiment:
        """End an experiment with the choice of an arm; repeated with the same arm nothing changes.

        Raises InvalidArgument, NotFound for an unknown experiment or arm, FailedPrecondition when another was chosen.
        """
        check_text(reason, "reason", MAX_NOTE)
        check_name(arm_id, "arm_id")
        with self._database.write() as connection:
            EXPERIMENTS.lock(connection)
            found = self._get(connection, name)
            if arm_id not in [each.variant.variant_id for each in found.arms]:
                raise NotFound.of("arm", arm_id, "arm_id")
            if found.state == CONCLUDED and found.chosen_arm_id != arm_id:
                raise FailedPrecondition(f"experiment {name} was concluded with arm {found.chosen_arm_id}")
            if found.state == CONCLUDED:
                return found
            found.state, found.chosen_arm_id = CONCLUDED, arm_id
            return self._put(connection, found, actions.CONCLUDED, arm_id, reason)

    def record_alarm(self, name: str, alarm: str, arm_id: str = "", reason: str = "") -> Experiment:
        """Write an alarm into the decisions of a running experiment, once for each alarm and arm.

        Raises InvalidArgument, NotFound.
        """
        check_choice(alarm, "alarm", actions.ALARMS, f"one of {', '.join(actions.ALARMS)}")
        check_text(reason, "reason", MAX_NOTE)
        if arm_id:
            check_name(arm_id, "arm_id")
        with self._database.write() as connection:
            EXPERIMENTS.lock(connection)
            found = self._get(connection, name)
            known = {(each.action, each.arm_id) for each in found.decisions}
            if found.state != RUNNING or (alarm, arm_id) in known:
                return found
            return self._put(connection, found, alarm, arm_id, reason)

    def get(self, name: str) -> Experiment:
        """Return an experiment. Raises InvalidArgument, NotFound."""
        return self._definitions.get(name)

    def list(self, page_size: int, page_token: str) -> tuple[list[Experiment], str]:
        """Return a page of experiments by id, and the token of the next one. Raises InvalidArgument."""
        return self._definitions.list(page_size, page_token)

    def delete(self, name: str, *, allow_missing: bool = False) -> bool:
        """Delete an experiment that has ended, with its exposures, and say whether it was stored.

        Raises InvalidArgument; NotFound unless `allow_missing`; FailedPrecondition while it runs.
        """
        check_name(name, "experiment_id")
        with self._database.write() as connection:
            EXPERIMENTS.lock(connection)
            known = EXPERIMENTS.get(connection, name)
            if known is None and not allow_missing:
                raise NotFound.of("experiment", name, "experiment_id")
            if known is not None and self._is_running(Experiment.FromString(known.definition)):
                raise FailedPrecondition(f"experiment {name} runs: stop or conclude it first")
            forget_exposures(connection, name)
            return EXPERIMENTS.delete(connection, name)

    def _check_start(self, new: Experiment) -> None:
        now = self._now()
        if new.HasField("start_time") and to_datetime(new.start_time) < now - CLOCKS_APART:
            when = to_datetime(new.start_time).isoformat()
            raise InvalidArgument.of("experiment.start_time", when, "must not be in the past")
        if new.HasField("end_time") and to_datetime(new.end_time) <= now:
            when = to_datetime(new.end_time).isoformat()
            raise InvalidArgument.of("experiment.end_time", when, "must be in the future")

    def _same(self, known: Stored, given: Experiment) -> Experiment:
        stored, asked = _bare(Experiment.FromString(known.definition)), _bare(given)
        if not asked.HasField("start_time"):
            stored.ClearField("start_time")
        if stored != asked:
            raise AlreadyExists.of("experiment", given.experiment_id, "experiment.experiment_id")
        return self._definitions.message_of(known)

    def _room(self, connection: Connection, new: Experiment) -> int:
        """Return the first of enough free buckets in the layer of an experiment. Raises FailedPrecondition."""
        if not new.layer:
            return 0
        others = [Experiment.FromString(each.definition) for each in EXPERIMENTS.list(connection)]
        taken = sorted(
            (each.first_bucket, each.first_bucket + buckets_of(each))
            for each in others
            if each.layer == new.layer and self._is_running(each)
        )
        first = first_room(taken, buckets_of(new))
        if first is None:
            share = 1 - sum(end - start for start, end in taken) / BUCKETS
            raise FailedPrecondition(
                f"layer {new.layer} has no {new.traffic or 1:.4g} of its traffic left in one piece, but {share:.4g}"
                " in all: stop an experiment of it, or take less"
            )
        return first

    def _is_running(self, experiment: Experiment) -> bool:
        over = experiment.HasField("end_time") and to_datetime(experiment.end_time) <= self._now()
        return experiment.state == RUNNING and not over

    def _get(self, connection: Connection, name: str) -> Experiment:
        check_name(name, "experiment_id")
        return self._definitions.stored(connection, name, "experiment_id")

    def _put(
        self, connection: Connection, experiment: Experiment, action: str, arm_id: str = "", reason: str = ""
    ) -> Experiment:
        now = self._now()
        decision = ExperimentDecision(time=to_timestamp(now), action=action, arm_id=arm_id, reason=reason)
        kept = [*experiment.decisions, decision][-MAX_DECISIONS:]
        del experiment.decisions[:]
        experiment.decisions.extend(kept)
        experiment.ClearField("update_time")
        stored = Stored(experiment.experiment_id, experiment.SerializeToString(), now)
        EXPERIMENTS.put(connection, stored)
        return self._definitions.message_of(stored)


def _check_use(new: Experiment) -> None:
    """Raise InvalidArgument for a bad field, a conclusion that could not be applied, and guardrails nobody looks at."""
    experiment = to_experiment(new)
    orders = [arm.arm_id for arm in experiment.arms if arm.variant.says_order]
    if new.conclude_automatically and orders and not new.placement_ids:
        problem = f"needs placement_ids, as arm {orders[0]} says how placements are filled"
        raise InvalidArgument.of("experiment.conclude_automatically", True, problem, ErrorReason.FIELD_CONFLICT)
    if new.guardrails and experiment.design is not Design.SPLIT:
        problem = "are not watched where lists are drawn from both arms: clicks decide"
        raise InvalidArgument.of("experiment.guardrails", len(new.guardrails), problem, ErrorReason.FIELD_CONFLICT)


def first_room(taken: Iterable[tuple[int, int]], wanted: int) -> int | None:
    """Return the first bucket of a free range of `wanted` buckets; None where there is none.

    `taken` are ranges, end exclusive, in their order, that do not overlap.
    """
    free = 0
    for start, end in (*taken, (BUCKETS, BUCKETS)):
        if start - free >= wanted:
            return free
        free = end
    return None


def _bare(experiment: Experiment) -> Experiment:
    copy = Experiment()
    copy.CopyFrom(experiment)
    for name in _OUTPUT_ONLY:
        copy.ClearField(name)  # type: ignore[arg-type]
    return copy
