"""Shadow models, as the RPCs mark and read them."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from services.coordinator.improvement.stages import KIND
from shared.db import models, shadow_models
from shared.db.engine import Database
from shared.db.shadow_models import ShadowModel, ShadowReport
from shared.errors import FailedPrecondition, NotFound


@dataclass(frozen=True)
class Shadowed:
    """A version, whether it is a shadow, and what came of it; one of the two is there."""

    marked: ShadowModel | None
    report: ShadowReport | None


class ShadowModels:
    """What is known of shadow models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, version: str, share: float) -> ShadowModel:
        """Make a stored version the shadow. Raises NotFound, FailedPrecondition for the version in use."""
        return await asyncio.to_thread(self._mark, version, share)

    async def unmark(self, version: str) -> bool:
        """Let a version be a shadow no more and return whether it was one."""
        return await asyncio.to_thread(self._unmark, version)

    async def all(self) -> list[Shadowed]:
        """Return the shadow and those that were one, by name."""
        return await asyncio.to_thread(self._all)

    def _mark(self, version: str, share: float) -> ShadowModel:
        with self._database.write() as connection:
            found = models.same_model(connection, KIND, version)
            if found is None:
                raise NotFound.of("model version", version, "version")
            if found.active:
                raise FailedPrecondition(f"model {version} is in use: a shadow is another version")
            return shadow_models.mark(connection, found.version, share, datetime.now(UTC))

    def _unmark(self, version: str) -> bool:
        with self._database.write() as connection:
            return shadow_models.unmark(connection, version)

    def _all(self) -> list[Shadowed]:
        with self._database.read() as connection:
            marked = {each.version: each for each in shadow_models.shadows(connection)}
            found = {each.version: each for each in shadow_models.reports(connection)}
        return [Shadowed(marked.get(version), found.get(version)) for version in sorted(marked.keys() | found.keys())]
