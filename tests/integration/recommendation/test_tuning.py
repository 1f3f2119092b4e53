"""Tuning on a database: nothing is tried twice, whatever ends it; training takes over what was chosen."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc
from sqlalchemy import select

from services.recommendation.agent import RecommendationAgent
from services.recommendation.server import build
from services.recommendation.training import train
from services.recommendation.tuning.job import run
from services.recommendation.tuning.request import TuningRequest
from shared.config import Settings
from shared.db import models, tuning
from shared.db.engine import Database
from shared.db.schema import tuning_trials
from shared.db.tuning import Tuned
from shared.errors import Conflict, FailedPrecondition, InvalidArgument
from shared.jobs import ProgressReporter
from shared.rpc.client import open_channel, stream
from tests.integration.recommendation.shop import act, bought
from tests.integration.recommendation.tuning_shop import CUSTOMERS
from tests.unit.recommendation.tuning.toys import Settled, Toy

CLASSES = (Toy, Settled)
QUIET = ProgressReporter(write=lambda _: None)
ONE_DATABASE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""For what passes over the wire: it is the same whatever database a job reads."""


def tuned(database: Database, **request: Any) -> dict[str, Any]:
    return run(database, TuningRequest(**request), QUIET, 1, CLASSES)


def in_force(database: Database) -> dict[str, Tuned]:
    with database.read() as connection:
        return tuning.all_tuned(connection)


def trials(database: Database) -> dict[tuple[str, str], datetime]:
    """Return when each trial was made, by algorithm and parameters."""
    columns = tuning_trials.c
    with database.read() as connection:
        rows = connection.execute(select(columns.algorithm, columns.params_hash, columns.created_at))
        return {(row.algorithm, row.params_hash): row.created_at for row in rows}


def test_what_is_chosen_is_in_force_with_its_evidence(tunable: Database) -> None:
    result = tuned(tunable)
    assert result["algorithms"]["toy"]["params"] == {"other": 0.0}
    assert result["algorithms"]["settled"]["params"] == {}
    assert (result["unchanged"], result["not_reached"]) == ([], [])
    decided = in_force(tunable)
    assert {name: each.params for name, each in decided.items()} == {"toy": {"other": 0.0}, "settled": {}}
    assert decided["toy"].evidence == json.loads(json.dumps(result["algorithms"]["toy"]["evidence"]))
    assert decided["toy"].events == 8 * CUSTOMERS
    assert decided["toy"].evidence["fingerprint"].startswith(f"{8 * CUSTOMERS}-{CUSTOMERS}-40-")


def test_the_same_data_is_not_tried_again(tunable: Database) -> None:
    first = tuned(tunable)
    made = trials(tunable)
    again = tuned(tunable)
    assert (first["trials_found"], first["trials_made"]) == (0, len(made))
    assert again["trials_found"] > 2
    assert again["trials_made"] == 0
    assert trials(tunable) == made
    assert [each["params"] for each in again["algorithms"].values()] == [{"other": 0.0}, {}]


def test_what_happens_today_does_not_make_the_data_another(tunable: Database) -> None:
    tuned(tunable)
    act(tunable, bought("c0", "p1", "p3"))
    assert tuned(tunable)["trials_made"] == 0


def test_only_what_has_changed_enough_is_due(tunable: Database) -> None:
    tuned(tunable, algorithms=("toy",))
    assert tuned(tunable, only_if_changed=True)["unchanged"] == ["toy"]
    assert sorted(in_force(tunable)) == ["settled", "toy"]
    assert tuned(tunable, only_if_changed=True)["trials_made"] == 0
    act(tunable, *[bought(f"c{number}", "p0", "p1") for number in range(CUSTOMERS)])
    assert tuned(tunable, only_if_changed=True)["unchanged"] == []


def test_a_search_that_time_cut_off_is_due_again(tunable: Database) -> None:
    tuned(tunable, trials=2)
    assert tuned(tunable, trials=2, only_if_changed=True)["unchanged"] == ["toy", "settled"]
    again = tuned(tunable, only_if_changed=True)
    assert (again["unchanged"], again["trials_found"]) == ([], 4)


def test_what_was_reset_stays_so_until_the_data_has_changed(tunable: Database) -> None:
    tuned(tunable)
    with tunable.write() as connection:
        tuning.reset(connection, "toy", datetime.now(UTC))
    assert tuned(tunable, only_if_changed=True)["unchanged"] == ["toy", "settled"]
    assert in_force(tunable)["toy"].params == {}
    assert tuned(tunable)["algorithms"]["toy"]["params"] == {"other": 0.0}


def test_what_there_is_no_time_for_is_said(tunable: Database) -> None:
    result = tuned(tunable, minutes=1e-6)
    assert (result["algorithms"], result["not_reached"]) == ({}, ["toy", "settled"])
    assert in_force(tunable) == {}


def test_old_trials_are_forgotten(tunable: Database) -> None:
    tuned(tunable, algorithms=("toy",))
    with tunable.write() as connection:
        connection.execute(tuning_trials.update().values(created_at=datetime.now(UTC) - timedelta(days=31)))
    assert tuned(tunable, algorithms=("settled",))["trials_made"]
    assert {algorithm for algorithm, _ in trials(tunable)} == {"settled"}


def test_without_interactions_there_is_nothing_to_tune_on(database: Database) -> None:
    with pytest.raises(FailedPrecondition, match="import events"):
        tuned(database)
    assert tuned(database, only_if_changed=True)["unchanged"] == ["toy", "settled"]


@contextmanager
def job(database: Database, **request: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run the job as a process."""
    environment = {**os.environ, "QUINTET_DATABASE_URL": database.url, "QUINTET_TRAIN_THREADS": "1"}
    command = [sys.executable, "-m", "services.recommendation.tuning.job", TuningRequest(**request).as_json()]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_job_that_is_killed_goes_on_where_it_ended(tunable: Database) -> None:
    request = {"algorithms": ("item_knn",), "trials": 8}
    with job(tunable, **request) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "trial 4 of at most 8" in line)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    before = trials(tunable)
    assert 3 <= len(before) < 8
    assert in_force(tunable) == {}
    with job(tunable, **request) as process:
        assert process.stdout is not None
        said = [json.loads(line) for line in process.stdout]
        assert process.wait(30) == 0
    result = said[-1]["result"]
    assert (result["trials_found"], result["trials_made"]) == (len(before), 8 - len(before))
    assert any(f"{len(before)} found" in line["stage"] for line in said)
    after = trials(tunable)
    assert {key: after[key] for key in before} == before
    assert len(after) == 8
    assert "item_knn" in in_force(tunable)


def test_training_takes_over_what_was_chosen(tunable: Database) -> None:
    now = datetime.now(UTC)
    with tunable.write() as connection:
        for name, params in (("item_knn", {"shrink": 77.0}), ("transitions", {"renamed": 1}), ("repurchase", {})):
            tuning.set_tuned(connection, Tuned(name, params, {}, 1, now))
    facts = train.run(tunable, QUIET, threads=1)
    assert facts["tuned"] == {"item_knn": {"shrink": 77.0}}
    assert facts["params"]["item_knn"]["shrink"] == 77.0
    with tunable.read() as connection:
        [version] = models.list_versions(connection, "recommender")
    assert version.metadata["tuned"] == facts["tuned"]


@pytest.fixture
async def stub(tunable: Database) -> AsyncIterator[pb_grpc.RecommendationServiceStub]:
    settings = Settings(database_url=tunable.url, recommendation_port=0, drain_seconds=0.0, train_threads=1)
    server = build(settings, RecommendationAgent(settings, tunable))
    channel = open_channel(f"127.0.0.1:{await server.start()}")
    yield pb_grpc.RecommendationServiceStub(channel)
    await channel.close()
    await server.stop()


@ONE_DATABASE
async def test_tuning_over_the_wire_streams_its_progress(
    stub: pb_grpc.RecommendationServiceStub, tunable: Database
) -> None:
    request = pb.TuneAlgorithmsRequest(algorithms=["popular"], max_trials=3, max_minutes=5)
    steps = [step.progress async for step in stream(stub.TuneAlgorithms, request)]
    assert [step.progress for step in steps] == sorted(step.progress for step in steps)
    assert any("popular: trial 2 of at most 3" in step.stage for step in steps)
    assert steps[-1].tuning.algorithms["popular"].evidence["trials"] == 3
    assert list(in_force(tunable)) == ["popular"]


@ONE_DATABASE
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"algorithms": ["nobody"]}, "algorithms"),
        ({"max_trials": -1}, "max_trials"),
        ({"max_minutes": float("inf")}, "max_minutes"),
    ],
)
async def test_a_bad_request_is_refused(
    stub: pb_grpc.RecommendationServiceStub, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        async for _ in stream(stub.TuneAlgorithms, pb.TuneAlgorithmsRequest(**fields)):
            pass
    assert caught.value.violations[0].field == field


@ONE_DATABASE
async def test_one_tuning_at_a_time(stub: pb_grpc.RecommendationServiceStub) -> None:
    running = stream(stub.TuneAlgorithms, pb.TuneAlgorithmsRequest(algorithms=["popular"]))
    await anext(running)
    with pytest.raises(Conflict):
        async for _ in stream(stub.TuneAlgorithms, pb.TuneAlgorithmsRequest()):
            pass
    async for _ in running:
        pass
