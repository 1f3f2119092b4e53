"""Settings that take effect without a restart: a file beside the environment, looked at every second and on SIGHUP."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog
from dotenv import dotenv_values
from pydantic import ValidationError

from shared.config import Settings
from shared.errors import InvalidArgument

LIVE = ("log_level", "rate_limit_factor", "concurrency_limit_factor", "alert_p99_milliseconds", "alert_memory_mb")
"""What may stand in the file."""
LOOK_EVERY_SECONDS = 1.0
PREFIX = "QUINTET_"
log = structlog.get_logger()


def read_live(settings: Settings) -> Settings:
    """Return the settings with what the file says in their place; without the file, as they are.

    Raises
    ------
    InvalidArgument
        Naming a setting that is bad or may not stand in the file, or the file when it cannot be read.
    """
    path = Path(settings.live_settings_file)
    try:
        given = dotenv_values(path, interpolate=False) if path.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument.of("live_settings_file", str(path), f"cannot be read ({type(error).__name__})") from error
    values = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
    for name in values:
        if name not in LIVE:
            raise InvalidArgument.of(name, "(hidden)", "cannot be changed without a restart")
    try:
        return Settings(_env_file=None, **(settings.model_dump() | values))
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise InvalidArgument.of(name, values.get(name), "is not a value of this setting") from error


class LiveSettings:
    """Follows the file and calls `apply` with the settings whenever they change; bad ones change nothing."""

    def __init__(self, settings: Settings, apply: Callable[[Settings], None]) -> None:
        self._usual = settings
        self._now = settings
        self._apply = apply
        self._stamp: tuple[int, int] | None = None
        self._asked = asyncio.Event()

    def look_soon(self) -> None:
        """Look at the file now, whether it changed or not."""
        self._stamp = None
        self._asked.set()

    def look(self) -> None:
        """Take over what the file says, if it changed since the last look."""
        stamp = self._present_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            found = read_live(self._usual)
        except InvalidArgument as error:
            log.error("live settings are refused: what was in force stays", error=error.message)
            return
        changed = {name: getattr(found, name) for name in LIVE if getattr(found, name) != getattr(self._now, name)}
        if changed:
            self._now = found
            self._apply(found)
            log.warning("live settings are in force", **changed)

    async def follow(self) -> None:
        """Look every second, and when asked, until cancelled."""
        while True:
            self._asked.clear()
            self.look()
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_EVERY_SECONDS)
            except TimeoutError:
                continue

    def _present_stamp(self) -> tuple[int, int]:
        """Return what changes with the file; zeros without it."""
        try:
            found = Path(self._usual.live_settings_file).stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)
