"""A training and, where its model must pass one, the paired test after it, as one piece of work."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from shared.db.improvement_runs import OFFLINE_TEST
from shared.jobs import Progress

TRAINED = 0.9
"""Share of the training in the whole."""


async def gated_training(
    training: AsyncGenerator[Progress, None], test: Callable[[], AsyncGenerator[Progress, None]]
) -> AsyncGenerator[Progress, None]:
    """Yield the progress of a training and of the test that its model waits for; the last has the result of both.

    Raises what they raise.
    """
    result = None
    async with aclosing(training) as steps:
        async for progress in steps:
            result = progress.result or result
            yield Progress(progress.stage, TRAINED * progress.fraction)
    if result is not None and result.get("improvement_state") == OFFLINE_TEST:
        async with aclosing(test()) as steps:
            async for progress in steps:
                result |= progress.result or {}
                yield Progress(f"test: {progress.stage}", TRAINED + (1 - TRAINED) * progress.fraction)
    yield Progress("done", 1.0, result)
