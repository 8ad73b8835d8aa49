"""One record by its id, within the caller's stores."""

from cloud_conductor.domain.errors import NotFound
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import sees
from cloud_conductor.state import accounting as books
from cloud_conductor.state import screens
from cloud_conductor.state.accounting import BreakRow, EntryRow
from cloud_conductor.state.screens import Within

KEY_PREFIX_MIN = 8


def find_entry(ask: Ask, key: str) -> EntryRow:
    """The entry whose posting key begins so. Raises NotFound, also for one out of the scope."""
    with ask.desk.books.connect() as connection:
        rows = books.entries(connection, keys=[key])
        if not rows and len(key) >= KEY_PREFIX_MIN:
            found = screens.entries_like(connection, key)
            rows = [row for row in found if row.posting_key.startswith(key)]
    rows = [row for row in rows if sees(ask, row.store)]
    if len(rows) != 1:
        raise NotFound(f"{len(rows) or 'no'} entries have a key that begins with {key!r}")
    return rows[0]


def find_break(ask: Ask, identity: str) -> BreakRow:
    """The newest row of a break. Raises NotFound, also for one out of the scope."""
    with ask.desk.books.connect() as connection:
        rows = screens.breaks(connection, Within(), states=(), ids=[identity])
    if not rows or not sees(ask, rows[0].store):
        raise NotFound(f"no break {identity}")
    return rows[0]
