"""The key that protects recommendation ids: generated once, shared by all agents."""

from datetime import UTC, datetime

from sqlalchemy import select

from shared.config import Settings
from shared.db.engine import Database, insert_into
from shared.db.schema import token_keys
from shared.recommendation_tokens import TokenKeys, generate_key

FROM_DATABASE = "generated"
"""Setting that takes the key of the database."""
GENERATED = 1
"""Number of the generated key; there is one."""


def load_token_keys(settings: Settings, database: Database) -> TokenKeys:
    """Return the keys of the settings; for `generated`, the key of the database, which is made when it is missing.

    Raises InvalidArgument when the settings hold something that is no key.
    """
    if settings.token_keys != FROM_DATABASE:
        return TokenKeys.from_text(settings.token_keys)
    query = select(token_keys.c.secret).where(token_keys.c.key_id == GENERATED)
    with database.read() as connection:
        found = connection.execute(query).scalar_one_or_none()
    if found is None:
        with database.write() as connection:
            row = {"key_id": GENERATED, "secret": generate_key(), "created_at": datetime.now(UTC)}
            connection.execute(insert_into(connection, token_keys).values(row).on_conflict_do_nothing())
            found = connection.execute(query).scalar_one()
    return TokenKeys([found])
