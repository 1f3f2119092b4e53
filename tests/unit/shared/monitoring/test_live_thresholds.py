"""Thresholds follow the file of live settings; what is refused there changes nothing."""

from pathlib import Path

from shared.config import Settings
from shared.monitoring.live_thresholds import LiveThresholds


def test_the_file_is_in_force_until_it_goes_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "live.env"
    thresholds = LiveThresholds(Settings(_env_file=None, live_settings_file=str(file), alert_memory_mb=100))
    assert (thresholds.now().p99_ms, thresholds.now().memory_mb) == (500.0, 100.0)
    file.write_text("QUINTET_ALERT_P99_MILLISECONDS=50\n")
    assert (thresholds.now().p99_ms, thresholds.now().memory_mb) == (50.0, 100.0)
    file.write_text("QUINTET_ALERT_P99_MILLISECONDS=-1\n")
    assert thresholds.now().p99_ms == 50.0
    file.unlink()
    assert thresholds.now().p99_ms == 500.0


def test_without_a_file_the_environment_is_in_force() -> None:
    assert LiveThresholds(Settings(_env_file=None, alert_p99_milliseconds=7)).now().p99_ms == 7.0
