"""What the books know of breaks that people matched with one another."""

from sqlalchemy import Connection, select

from cloud_conductor.state.accounting import BreakRow, current_breaks
from cloud_conductor.state.tables.accounting import BREAK


def matched_breaks(connection: Connection) -> dict[str, list[BreakRow]]:
    """By match: the newest row of every break that ever was in it."""
    found = select(BREAK.c.match_id, BREAK.c.break_id).where(BREAK.c.match_id != "").distinct()
    members = [(str(match_id), str(one)) for match_id, one in connection.execute(found)]
    if not members:
        return {}
    newest = {row.break_id: row for row in current_breaks(connection)}
    groups: dict[str, list[BreakRow]] = {}
    for match_id, one in sorted(members):
        groups.setdefault(match_id, []).append(newest[one])
    return groups
