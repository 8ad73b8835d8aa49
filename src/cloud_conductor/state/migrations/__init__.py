"""Revisions of the state databases, run by Alembic; see `state.migrate`."""
