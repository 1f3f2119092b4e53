"""`quintet evaluate` as an operator calls it: on two files and on the shop's database."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log2
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.commands import evaluate
from cli.main import app
from services.recommendation.evaluation import job, ranker_registry
from services.recommendation.evaluation.io.database import split_database
from services.recommendation.evaluation.job import Request
from shared.config import Settings
from shared.db import tuning
from shared.db.engine import Database
from shared.db.tuning import Tuned
from shared.errors import FailedPrecondition, InvalidArgument
from shared.jobs import Progress, ProgressReporter
from tests.integration.recommendation import shop

TRAIN = """customer_id,product_id,event_type,timestamp,order_id
a,x,purchase,2026-01-01,o1
a,x,purchase,2026-01-02,o2
a,y,purchase,2026-01-02,o2
b,x,purchase,2026-01-03,o3
c,y,purchase,2026-01-04,o4
c,z,purchase,2026-01-04,o4
d,x,purchase,2026-01-05,o5
d,w,view,2026-01-05,
"""
TEST = """customer_id,product_id,event_type,timestamp,order_id
a,x,purchase,2026-02-01,p1
a,z,purchase,2026-02-02,p2
b,y,purchase,2026-02-03,p3
c,unheard-of,purchase,2026-02-03,p4
stranger,x,purchase,2026-02-03,p5
d,z,view,2026-02-03,
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_TRAIN_THREADS", "1")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options of the two files, in a folder named `tiny`."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "train.csv").write_text(TRAIN)
    (folder / "test.csv").write_text(TEST)
    return ["--train", str(folder / "train.csv"), "--test", str(folder / "test.csv")]


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command evaluate in this process: to start another costs more than the rest of a test."""

    async def run_here(_: str, settings: Settings, request: str) -> AsyncGenerator[Progress, None]:
        result = job.run(Request.of_json(request), settings, ProgressReporter(write=lambda _: None))
        yield Progress("done", 1.0, result)

    monkeypatch.setattr(evaluate, "run_job", run_here)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *arguments])


def report(*arguments: str) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def values(rows: Sequence[dict[str, Any]], algorithm: str) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows if row["algorithm"] == algorithm}


@pytest.mark.usefixtures("in_this_process")
def test_the_rows_by_hand(files: list[str], tmp_path: Path) -> None:
    out, picture = tmp_path / "report.json", tmp_path / "quality.png"
    found = report(
        *files, "--k", "2", "--bootstrap", "100", "--out", str(out), "--plot", str(picture),
        "--algorithm", "most_popular", "--algorithm", "personal_frequency",
    )  # fmt: skip
    assert json.loads(out.read_text()) == found
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {(row["dataset"], row["protocol"], row["k"]) for row in found["rows"]} == {("tiny", "top-n", 2)}
    # x has three buyers, y two, z one. a wants x and z, b wants y; nobody can want what nobody ever bought.
    popular = values(found["rows"], "most_popular")
    assert popular["recall"] == pytest.approx((1 / 2 + 1) / 2, abs=1e-6)
    assert popular["hit_rate"] == 1.0
    assert popular["mrr"] == pytest.approx((1 + 1 / 2) / 2, abs=1e-6)
    assert popular["map"] == pytest.approx((1 / 2 + 1 / 2) / 2, abs=1e-6)
    assert popular["ndcg"] == pytest.approx((1 / (1 + 1 / log2(3)) + 1 / log2(3)) / 2, abs=1e-6)
    assert popular["coverage"] == pytest.approx(2 / 4, abs=1e-6)
    assert values(found["rows"], "personal_frequency")["recall"] == 0.75
    settings = found["settings"]
    assert (settings["target"], settings["questions"], settings["pairs_of_products_train_never_saw"]) == (
        "purchase",
        2,
        1,
    )


@pytest.mark.usefixtures("in_this_process")
def test_the_served_page_stands_beside_the_offline_ranker(files: list[str]) -> None:
    asked = [*files, "--served", "--exclude-seen", "--k", "2", "--bootstrap", "50", "--algorithm", "most_popular"]
    found = report(*asked)
    names = list(dict.fromkeys(row["algorithm"] for row in found["rows"]))
    assert names[:4] == ["quintet", "quintet.page", "served.ranked", "served"]
    assert names[-1] == "most_popular"
    # a has x and y, so the page of a shows z and w; that of b, who has x, the others
    assert values(found["rows"], "served")["recall"] == 1.0
    assert ("served", "served.ranked") in {(row["algorithm"], row["versus"]) for row in found["differences"]}
    printed = call(*asked).stdout
    assert "steps of the served page, change of ndcg at 2" in printed
    assert "served against served.without_diversity" in printed


@pytest.mark.usefixtures("in_this_process")
def test_discovery(files: list[str]) -> None:
    found = report(
        *files, "--exclude-seen", "--target", "purchase", "--k", "1", "--algorithm", "most_popular", "--bootstrap", "0"
    )
    assert {row["protocol"] for row in found["rows"]} == {"top-n-discovery"}
    # a has x and y, so z comes first; b has x, so y does
    assert values(found["rows"], "most_popular")["recall"] == 1.0


@pytest.mark.usefixtures("in_this_process")
def test_sessions_need_no_customers(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("session_id\tproduct_id\n1\tx\n1\ty\n2\tx\n2\ty\n3\ty\n")
    (tmp_path / "b.tsv").write_text("session_id\tproduct_id\n8\tx\n8\ty\n8\tx\n9\tnew\n9\ty\n")
    arguments = ["--train", str(tmp_path / "a.tsv"), "--test", str(tmp_path / "b.tsv"), "--dataset", "clicks"]
    found = report(*arguments, "--protocol", "session", "--k", "1", "--algorithm", "most_popular", "--bootstrap", "10")
    assert found["settings"]["questions"] == 3  # y after x, x after both, y after what nobody knows
    assert {(row["dataset"], row["protocol"]) for row in found["rows"]} == {("clicks", "session")}
    # y has three sessions, x two
    assert values(found["rows"], "most_popular")["mrr"] == pytest.approx(2 / 3, abs=1e-6)


@pytest.mark.usefixtures("in_this_process")
def test_the_order_of_rows_is_time_for_the_next_item(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"customer_id": 1, "product_id": "x"}\n{"customer_id": 2, "product_id": "y"}\n')
    (tmp_path / "b.jsonl").write_text('{"customer_id": 1, "product_id": "y"}\n{"customer_id": 1, "product_id": "x"}\n')
    found = report(
        *("--train", str(tmp_path / "a.jsonl"), "--test", str(tmp_path / "b.jsonl"), "--protocol", "next-item"),
        *("--algorithm", "most_popular", "--k", "1", "--k", "5"),
    )
    assert (found["settings"]["questions"], found["settings"]["exclude_seen"]) == (1, True)
    assert {row["k"] for row in found["rows"]} == {1, 5}
    assert values(found["rows"], "most_popular")["recall"] == 1.0  # x is left out: nobody buys twice here


def test_the_table(files: list[str]) -> None:
    result = call(*files, "--algorithm", "most_popular", "--algorithm", "personal_frequency", "--bootstrap", "20")
    assert result.exit_code == 0, result.output
    for word in (
        "tiny · top-n · 2 questions",
        "most_popular",
        "recall",
        "ndcg",
        "coverage",
        "ms/user",
        "cold-user",
        "–",
        "not asked: 1 customers with nothing but products that train never saw",
    ):
        assert word in result.stdout
    assert "evaluating" in result.stderr


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--protocol", "top"], "protocol: must be one of top-n"),
        (["--target", "like"], "target: must be one of view, cart, purchase"),
        (["--algorithm", "als"], "algorithm: must be one of"),
        (["--recall-over", "some"], "recall_over: must be one of min, all"),
        (["--k", "0"], "k: must be at least 1"),
        (["--cutoff", "soon"], "cutoff: is not a time"),
        (["--cutoff", "2026-01-04"], "cutoff: must be after the last event of train, 2026-01-05T00:00:00"),
        (["--seed", "-1"], "seed: must be at least 0"),
        (["--plot", "quality.bmp"], "plot: must end in .png or .svg"),
        (["--plot", "nowhere/quality.png"], "plot: there is no such folder"),
        (["--out", "nowhere/report.json"], "out: there is no such folder"),
        (["--out", "."], "out: is a folder"),
        (["--guests", "keep"], "guests: must be one of reject, visitor"),
        (["--negative-quantity", "keep"], "negative_quantity: must be one of reject, refund"),
    ],
)
def test_bad_options(files: list[str], more: list[str], problem: str) -> None:
    arguments = {"train": files[1], "test": files[3], "out": "none", "algorithms": ["most_popular"]}
    name, value = more[0].removeprefix("--").replace("-", "_"), more[1]
    said = {"algorithm": {"algorithms": [value]}, "k": {"k": [0]}, "seed": {"seed": -1}}
    request = Request.of_json(json.dumps({**arguments, **said.get(name, {name: value})}))
    with pytest.raises(InvalidArgument, match=problem):
        run(request)


@pytest.mark.parametrize("name", ["out", "plot"])
def test_a_file_is_no_folder_to_write_to(files: list[str], name: str) -> None:
    wish = Request(out="none", train=files[1], test=files[3], algorithms=("most_popular",))
    with pytest.raises(InvalidArgument, match=f"{name}: there is no such folder"):
        run(replace(wish, **{name: f"{files[1]}/quality.png"}))


def test_a_file_that_may_not_be_written(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job.os, "access", lambda path, _: path != Path(files[1]))
    with pytest.raises(InvalidArgument, match="out: cannot be written to"):
        run(Request(out=files[1], algorithms=("most_popular",)))


def test_a_bad_row_is_named(files: list[str]) -> None:
    with Path(files[1]).open("a") as file:
        file.write("a,x,purchase,yesterday,o9\n")
    result = call(*files, "--algorithm", "most_popular")
    said = "".join(result.stderr.split())
    assert result.exit_code == 1
    assert "INVALID_ARGUMENT:" in said
    assert "train.csv,row9,columntimestamp:isnotatime" in said
    assert "Traceback" not in result.stderr


def test_one_file_is_not_enough(files: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="give both files, or neither"):
        run(Request(out="none", train=files[1], algorithms=("most_popular",)))


@pytest.mark.usefixtures("in_this_process")
def test_the_words_of_the_import_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who,product_id,event_type,quantity\n1,x,fav,1\n1,y,buy,-2\n2,y,fav,1\n")
    (tmp_path / "b.csv").write_text("who,product_id,event_type,quantity\n1,y,fav,1\n")
    files = ("--train", str(tmp_path / "a.csv"), "--test", str(tmp_path / "b.csv"))
    words = ("--map", "who=customer_id", "--event-type", "fav=cart", "--negative-quantity", "refund")
    found = report(*files, *words, "--algorithm", "most_popular", "--bootstrap", "0")["settings"]
    assert (found["target"], found["questions"], found["train"]["events"]) == ("cart", 1, 2)
    assert found["train"]["left_out"] == 1


def test_one_file_for_both_sides_is_refused(files: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="test: is the file of train as well"):
        run(Request(out="none", train=files[1], test=files[1], algorithms=("most_popular",)))


def test_files_that_were_swapped_are_warned_of(files: list[str], tmp_path: Path) -> None:
    wish = Request(str(tmp_path / "r.json"), train=files[1], test=files[3], algorithms=("most_popular",), bootstrap=0)
    assert run(wish)["settings"]["warnings"] == []
    warned = run(replace(wish, train=files[3], test=files[1]))["settings"]["warnings"]
    assert warned == ["4 of 4 customers have events in train after their first in test: what is asked for may be known"]


@pytest.mark.parametrize("problem", [OSError("no space left"), RuntimeError("no font"), InvalidArgument("too large")])
def test_a_picture_that_fails_does_not_lose_the_report(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def fails(*_: object) -> None:
        raise problem

    monkeypatch.setattr(job, "plot", fails)
    picture = str(tmp_path / "quality.png")
    wish = Request(str(tmp_path / "r.json"), train=files[1], test=files[3], algorithms=("most_popular",), plot=picture)
    found = run(wish)
    assert found["rows"]
    assert found["settings"]["warnings"] == [f"{picture} could not be written: {problem}"]


def test_those_that_are_not_installed_are_skipped_and_said(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranker_registry, "find_spec", lambda name: None)
    found = run(Request(out=str(tmp_path / "r.json"), train=files[1], test=files[3], bootstrap=0))
    skipped = found["settings"]["skipped"]
    assert {name for name, why in skipped.items() if why == ranker_registry.EXTRA} == {
        name for name in ranker_registry.BASELINES if name.startswith("implicit")
    }
    assert skipped["repeat_first_item_knn"] == "it is for sessions"
    assert values(found["rows"], "most_popular")
    assert not values(found["rows"], "implicit_als")
    with pytest.raises(FailedPrecondition, match="implicit_als: not installed"):
        run(Request(out="none", train=files[1], test=files[3], algorithms=("implicit_als",)))


def run(request: Request, settings: Settings | None = None) -> dict[str, Any]:
    """Evaluate in this process."""
    result = job.run(request, settings or Settings(train_threads=1), ProgressReporter(write=lambda _: None))
    found: dict[str, Any] = json.loads(Path(result["out"]).read_text())
    return found


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_every_algorithm_takes_part(untrained: Database, tmp_path: Path) -> None:
    # On one database: algorithms are given the same split of both, see test_the_split_of_a_database.
    settings = Settings(database_url=untrained.url, train_threads=1)
    out, cutoff = str(tmp_path / "r.json"), _days_ago(16)
    found = run(Request(out, cutoff=cutoff, all_algorithms=True, bootstrap=10, k=(5,), exclude_seen=True), settings)
    took_part, skipped = {row["algorithm"] for row in found["rows"]}, set(found["settings"]["skipped"])
    assert skipped == {*ranker_registry.SESSIONS_ONLY, "buys_per_view"}  # the shop has nothing but purchases
    assert took_part == set(ranker_registry.names()) - skipped
    assert set(found["settings"]["chosen_on_validation"]) == {"tifu_knn", "up_cf", "tuned_als", "tuned_item_knn"}
    assert {row["versus"] for row in found["differences"]} == took_part - {"quintet"}
    assert {row["dataset"] for row in found["rows"]} == {"database"}
    assert found["settings"]["questions"] == 2 * shop.PEOPLE
    assert found["shown_lists"]["skipped"].startswith("0 lists with a response before the cutoff and 0 after it")
    # everybody buys more of their own taste, which collaborative algorithms see and best-sellers do not
    assert values(found["rows"], "item_knn")["ndcg"] > values(found["rows"], "most_popular")["ndcg"]


def test_with_what_tuning_chose(untrained: Database, tmp_path: Path) -> None:
    settings = Settings(database_url=untrained.url, train_threads=1)
    wish = Request(
        str(tmp_path / "r.json"), cutoff=_days_ago(16), algorithms=("item_knn", "ease"), bootstrap=0, k=(5,), tuned=True
    )
    with pytest.raises(FailedPrecondition, match="tuning has chosen nothing but the defaults"):
        run(wish, settings)
    with untrained.write() as connection:
        tuning.set_tuned(connection, Tuned("item_knn", {"top_k": 1}, {}, 560, datetime.now(UTC)))
    tuned, plain = run(wish, settings), run(replace(wish, tuned=False), settings)
    assert values(tuned["rows"], "item_knn") != values(plain["rows"], "item_knn")
    assert values(tuned["rows"], "ease") == values(plain["rows"], "ease")
    assert (tuned["settings"]["tuned"], plain["settings"]["tuned"]) == ({"item_knn": {"top_k": 1}}, {})
    assert tuned["settings"]["warnings"] == [
        "item_knn: tuned on data that reaches into the test, so that the figures may flatter"
    ]
    assert plain["settings"]["warnings"] == []


def test_the_split_of_a_database(untrained: Database) -> None:
    cutoff = int((datetime.now(UTC) - timedelta(days=16)).timestamp())
    split = split_database(untrained, by_session=False, cutoff=cutoff)
    lines = 4 * 2 * shop.PEOPLE
    assert (len(split.train.customers), len(split.test.customers)) == (lines, lines)
    assert split.train.times.max() < cutoff <= split.test.times.min()
    assert (split.cutoff, split.train.now, split.timed) == (cutoff, cutoff, True)
    assert split.train.complementary.nnz == 0
    assert split.train.similar.nnz > 0
    assert split.train.n_products == len(shop.COFFEE) + len(shop.TEA) + len(shop.ACCESSORIES)
    assert len(set(split.train.baskets)) == 2 * shop.PEOPLE


def test_a_database_is_split_at_its_last_tenth(untrained: Database) -> None:
    split = split_database(untrained, by_session=True)
    assert split.cutoff % 86_400 == 0
    assert 0 < len(split.test.customers) < len(split.train.customers) * 2


@pytest.mark.parametrize("days", [0, 400])
def test_a_moment_outside_the_data(untrained: Database, days: int) -> None:
    with pytest.raises(InvalidArgument, match="cutoff: must lie within the data"):
        split_database(untrained, by_session=False, cutoff=int((datetime.now(UTC) - timedelta(days=days)).timestamp()))


def test_an_empty_database(sqlite_database: Database) -> None:
    with pytest.raises(FailedPrecondition, match="nothing to evaluate on yet"):
        split_database(sqlite_database, by_session=False)


def _days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()
