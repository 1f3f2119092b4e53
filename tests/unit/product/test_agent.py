"""What the product agent decides without looking at the database."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from services.product import agent as agent_module
from services.product.agent import ProductAgent
from shared import jobs as jobs_module
from shared.config import Settings
from shared.db.engine import Database
from shared.errors import Conflict, FailedPrecondition, InvalidArgument
from shared.jobs import Progress

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEPS = [Progress("half", 0.5), Progress("done", 1.0, {"products": 1})]


@pytest.fixture
def agent() -> ProductAgent:
    return ProductAgent(Settings(), Database("sqlite:///no-such-folder/quintet.db"))


def play(monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> list[str]:
    """Replace the child process; return the modules it is started with."""
    started: list[str] = []

    async def run_job(module: str, settings: Settings) -> AsyncGenerator[Progress, None]:
        started.append(module)
        for step in STEPS:
            yield step
        if fails:
            raise FailedPrecondition("no")

    monkeypatch.setattr(jobs_module, "run_job", run_job)
    return started


def test_a_period_must_end_after_its_start(agent: ProductAgent) -> None:
    with pytest.raises(InvalidArgument) as caught:
        agent.performance("p", NOON, NOON)
    assert caught.value.violations[0].field == "end_time"


def test_a_bad_page_token_is_refused(agent: ProductAgent) -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        agent.page(agent_module.PageQuery(10, "nonsense"), lambda _: 1)


async def test_a_refresh_relays_the_progress_of_the_job(agent: ProductAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    started = play(monkeypatch)
    assert [step async for step in agent.refresh()] == STEPS
    assert started == ["services.product.refresh"]


async def test_a_second_refresh_meanwhile_is_refused(agent: ProductAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch)
    first = agent.refresh()
    await anext(first)
    with pytest.raises(Conflict):
        await anext(agent.refresh())
    await first.aclose()
    assert len([step async for step in agent.refresh()]) == 2


async def test_after_a_failure_another_refresh_may_run(agent: ProductAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, fails=True)
    for _ in range(2):
        with pytest.raises(FailedPrecondition):
            assert [step async for step in agent.refresh()] == []
