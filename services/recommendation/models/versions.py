"""The stored versions as operators see them: page by page, the one before, and what was measured of each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.db.models import ModelVersion, family
from shared.db.types import to_micros
from shared.errors import FailedPrecondition, NotFound
from shared.training_facts import metrics_of


@dataclass(frozen=True)
class Measure:
    """A metric of a context, a mean from 0 to 1, and the same of the version that it is compared with."""

    context: str
    metric: str
    value: float
    compared: float | None


@dataclass(frozen=True)
class Quality:
    """What was measured of a version, beside the version before it if one is stored."""

    version: ModelVersion
    compared: ModelVersion | None
    measures: tuple[Measure, ...]


def page_of(versions: Sequence[ModelVersion], before_micros: int, size: int) -> tuple[list[ModelVersion], int]:
    """Return up to `size` versions that are older than a moment (0: any), and where the next page starts (0: nowhere).

    `versions` are newest first; moments are microseconds since 1970.
    """
    older = [each for each in versions if not before_micros or to_micros(each.created_at) < before_micros]
    page = older[:size]
    return page, to_micros(page[-1].created_at) if len(older) > size else 0


def before(versions: Sequence[ModelVersion], version: ModelVersion) -> ModelVersion | None:
    """Return the newest version that is older than `version`; None where none is stored."""
    return next((each for each in versions if each.created_at < version.created_at), None)


def one_before_active(versions: Sequence[ModelVersion], refused: Collection[str] = ()) -> ModelVersion:
    """Return the version to roll back to, none that was `refused`. Raises FailedPrecondition where there is none."""
    active = next((each for each in versions if each.active), None)
    let_through = [each for each in versions if family(each.version) not in refused]
    found = None if active is None else before(let_through, active)
    if found is None:
        raise FailedPrecondition("no model version is stored that is older than the one in use")
    return found


def quality_of(versions: Sequence[ModelVersion], name: str) -> Quality:
    """Return the quality of the version with a name; empty for the one in use. Raises NotFound."""
    wanted = next((each for each in versions if each.version == name or (not name and each.active)), None)
    if wanted is None:
        raise NotFound.of("model version", name, "version")
    compared = before(versions, wanted)
    return Quality(wanted, compared, tuple(_measures(wanted, compared)))


def _measures(version: ModelVersion, compared: ModelVersion | None) -> Iterator[Measure]:
    earlier = {} if compared is None else _metrics(compared.metadata)
    for (context, metric), value in sorted(_metrics(version.metadata).items()):
        yield Measure(context, metric, value, earlier.get((context, metric)))


def _metrics(metadata: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Return the metrics of a training by context and name."""
    return {
        (context, name): value
        for context, facts in metadata.get("evaluation", {}).items()
        for name, value in metrics_of(facts).items()
    }
