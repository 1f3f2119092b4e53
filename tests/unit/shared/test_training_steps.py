"""The steps of a training: in which order they begin, what is said of them, and how one that fails ends the others."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from shared.errors import Unavailable
from shared.jobs import Progress
from shared.training_steps import training_steps


class Work:
    """Steps that note when they begin and end; `held` keeps one of them from ending."""

    def __init__(self, held: str = "", failing: str = "") -> None:
        self.said: list[str] = []
        self._held, self._failing = held, failing

    async def step(self, name: str) -> AsyncGenerator[Progress, None]:
        self.said.append(f"{name} begins")
        try:
            yield Progress("half", 0.5)
            await asyncio.sleep(0)
            if name == self._failing:
                raise Unavailable(f"{name} failed")
            if name == self._held:
                await asyncio.Event().wait()
            yield Progress("done", 1.0, {"seconds": 1})
        finally:
            self.said.append(f"{name} ends")


async def test_models_and_customers_run_beside_each_other_after_the_catalogue() -> None:
    work = Work()
    seen = [progress async for progress in training_steps(work.step)]
    assert work.said[:2] == ["catalogue begins", "catalogue ends"]
    assert set(work.said[2:4]) == {"models begins", "customers begins"}
    assert seen[-1] == Progress("done", 1.0, {name: {"seconds": 1} for name in ("catalogue", "models", "customers")})
    fractions = [each.fraction for each in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == pytest.approx(0.35 / 2)


async def test_they_run_one_after_the_other_where_asked() -> None:
    work = Work()
    async for _ in training_steps(work.step, together=False):
        pass
    assert work.said == [
        f"{name} {what}" for name in ("catalogue", "models", "customers") for what in ("begins", "ends")
    ]


async def test_a_step_that_fails_ends_those_beside_it() -> None:
    work = Work(held="customers", failing="models")
    with pytest.raises(Unavailable, match="models failed"):
        async for _ in training_steps(work.step):
            pass
    assert set(work.said[-2:]) == {"models ends", "customers ends"}


async def test_giving_up_ends_all() -> None:
    work = Work(held="models")
    steps = training_steps(work.step)
    async for progress in steps:
        if progress.stage.startswith("customers"):
            break
    await steps.aclose()
    assert {"models ends", "customers ends"} <= set(work.said)
