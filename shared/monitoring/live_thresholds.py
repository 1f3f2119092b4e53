"""Thresholds as the settings say now: those of the environment, or of the file of live settings."""

from pathlib import Path

from shared.config import Settings
from shared.errors import InvalidArgument
from shared.live_settings import read_live
from shared.monitoring.thresholds import Thresholds


class LiveThresholds:
    """Reads the file when it is asked, each five minutes or so. What is refused there leaves what was in force."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._in_force = thresholds_of(settings)

    def now(self) -> Thresholds:
        """Return the thresholds in force."""
        if self._settings.live_settings_file and Path(self._settings.live_settings_file).exists():
            try:
                self._in_force = thresholds_of(read_live(self._settings))
            except InvalidArgument:  # whoever follows the file logs it
                return self._in_force
        else:
            self._in_force = thresholds_of(self._settings)
        return self._in_force


def thresholds_of(settings: Settings) -> Thresholds:
    """Return the thresholds that the settings say."""
    return Thresholds(p99_ms=settings.alert_p99_milliseconds, memory_mb=settings.alert_memory_mb)
