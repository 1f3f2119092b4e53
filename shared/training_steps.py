"""The order of a training, whoever carries its steps out: the catalogue first, then models and customers.

The models and the customers both build on the catalogue's vectors, and neither on the other. So they are computed
beside each other where there are two cores: reading millions of interactions keeps one core busy, twice.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from shared.jobs import Progress
from shared.side_by_side import side_by_side

CATALOGUE, MODELS, CUSTOMERS = "catalogue", "models", "customers"
SHARES = {CATALOGUE: 0.35, MODELS: 0.5, CUSTOMERS: 0.15}
"""How much of the whole each step is counted as."""

Step = Callable[[str], AsyncGenerator[Progress, None]]


async def training_steps(step: Step, *, together: bool = True) -> AsyncGenerator[Progress, None]:
    """Carry out the steps that `step` gives by name, and yield the progress of the whole.

    The last progress has the result: those of the steps by name. Raises what a step raises; the others end then.
    """
    result: dict[str, Any] = {}
    reached = dict.fromkeys(SHARES, 0.0)
    rounds = [(CATALOGUE,), (MODELS, CUSTOMERS)] if together else [(CATALOGUE,), (MODELS,), (CUSTOMERS,)]
    for names in rounds:
        async with aclosing(side_by_side({name: step(name) for name in names})) as steps:
            async for name, progress in steps:
                if progress.result is not None:
                    result[name] = progress.result
                reached[name] = progress.fraction
                whole = sum(SHARES[each] * reached[each] for each in SHARES)
                yield Progress(f"{name}: {progress.stage}", min(whole, 1.0))
    yield Progress("done", 1.0, result)
