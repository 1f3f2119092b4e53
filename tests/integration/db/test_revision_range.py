"""Which schemas a release works on: a newer one too, unless that says otherwise."""

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from shared.db import migrations
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.db.revision import NEWEST, OLDEST, WORKS_FROM, current_revision, require_workable, works_from
from shared.db.schema import counters, metadata
from shared.errors import FailedPrecondition

VERSIONS = Path(migrations.__file__).parent / "versions"
FIRST_WITH_A_RANGE = "0019"
TAKES_AWAY = re.compile(r"op\.(drop_|alter_column|rename_)|batch\.(drop_|alter_column)")


def set_revision(database: Database, number: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})


def set_works_from(database: Database, value: int) -> None:
    with database.write() as connection:
        connection.execute(counters.update().where(counters.c.name == WORKS_FROM).values(value=value))


@pytest.mark.parametrize("number", [OLDEST, NEWEST, "0999"])
def test_a_release_starts_on_every_schema_it_works_with(database: Database, number: str) -> None:
    set_revision(database, number)
    require_workable(database)


def test_an_older_schema_asks_for_a_migration(database: Database) -> None:
    set_revision(database, f"{int(OLDEST) - 1:04}")
    with pytest.raises(FailedPrecondition, match="quintet migrate"):
        require_workable(database)


def test_a_newer_schema_may_say_that_this_release_is_too_old(database: Database) -> None:
    set_revision(database, "0999")
    set_works_from(database, int(NEWEST) + 1)
    with pytest.raises(FailedPrecondition, match=r"0999.*start a newer release"):
        require_workable(database)
    set_works_from(database, int(NEWEST))
    require_workable(database)


def test_migrating_leaves_a_newer_schema_alone(database: Database) -> None:
    set_revision(database, "0999")
    assert migrate(database) == "0999" == current_revision(database)


def test_what_the_schema_says_is_there_after_a_migration(database: Database) -> None:
    with database.read() as connection:
        assert 0 < works_from(connection) <= int(NEWEST)


def test_migrations_that_take_something_away_say_which_releases_still_work() -> None:
    for path in sorted(VERSIONS.glob("[0-9]*.py")):
        upgrade = path.read_text().partition("def downgrade")[0]
        if path.name[:4] > FIRST_WITH_A_RANGE and TAKES_AWAY.search(upgrade):
            assert WORKS_FROM in upgrade, f"{path.name} must raise the counter {WORKS_FROM}"


def test_migrations_and_the_schema_have_the_same_columns(database: Database) -> None:
    with database.read() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            columns = {each["name"] for each in found.get_columns(table.name)}
            assert columns == set(table.columns.keys()), table.name
