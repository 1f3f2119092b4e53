"""What the file of live settings says is in force after a look; what is bad changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.config import Settings
from shared.errors import InvalidArgument
from shared.live_settings import LiveSettings, read_live


class Server:
    """Notes the settings that were applied."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, float]] = []

    def apply(self, settings: Settings) -> None:
        self.applied.append((settings.log_level, settings.rate_limit_factor))


def settings(file: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, live_settings_file=str(file), **values)


def test_the_file_wins_until_it_goes(tmp_path: Path) -> None:
    file, server = tmp_path / "live", Server()
    live = LiveSettings(settings(file, log_level="warning"), server.apply)
    live.look()
    file.write_text("QUINTET_LOG_LEVEL=debug\nQUINTET_RATE_LIMIT_FACTOR=0.5\n")
    live.look()
    live.look()
    file.unlink()
    live.look()
    assert server.applied == [("debug", 0.5), ("warning", 1.0)]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("QUINTET_LOG_LEVEL=loud", "log_level"),
        ("QUINTET_RATE_LIMIT_FACTOR=-1", "rate_limit_factor"),
        ("QUINTET_DATABASE_URL=sqlite:///other.db", "database_url"),
    ],
)
def test_what_is_bad_is_refused_and_changes_nothing(tmp_path: Path, content: str, field: str) -> None:
    file, server = tmp_path / "live", Server()
    file.write_text(f"QUINTET_RATE_LIMIT_FACTOR=2\n{content}")
    with pytest.raises(InvalidArgument) as caught:
        read_live(settings(file))
    assert caught.value.violations[0].field == field
    with capture_logs() as lines:
        LiveSettings(settings(file), server.apply).look()
    assert server.applied == []
    assert [line["log_level"] for line in lines] == ["error"]


def test_a_file_that_is_mended_is_taken_over(tmp_path: Path) -> None:
    file, server = tmp_path / "live", Server()
    file.write_text("QUINTET_LOG_LEVEL=loud")
    live = LiveSettings(settings(file), server.apply)
    live.look()
    file.with_suffix(".new").write_text("QUINTET_LOG_LEVEL=error")
    file.with_suffix(".new").rename(file)
    live.look()
    assert server.applied == [("error", 1.0)]
