"""Run by alembic for each upgrade, on the connection that `studio.data.migrate` opened and locked."""

from __future__ import annotations

from alembic import context

from studio.data.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot change a column: the table is made anew and filled from the old one.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
