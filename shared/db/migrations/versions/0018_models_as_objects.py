"""Models in an object store."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column(
        "location", sa.Text(), comment="address of the object that is the artefact; null where it is in model_chunks"
    )
    op.add_column("model_versions", column)


def downgrade() -> None:
    op.drop_column("model_versions", "location")
