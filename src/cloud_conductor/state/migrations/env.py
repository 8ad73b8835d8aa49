"""Alembic's entry: the connection and the database's name come from `state.migrate`."""

from alembic import context

from cloud_conductor.state.migrate import context_options

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    transactional_ddl=True,
    **context_options(attributes["file"]),
)
with context.begin_transaction():
    context.run_migrations()
