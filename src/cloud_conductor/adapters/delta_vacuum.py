"""Which data files of a Delta table nobody needs any more.

Docs: Delta Lake protocol ("Delta Log Entries", "Remove File", "Vacuum"). A file that a seal replaced
stays for readers that opened the table before. Delta's log says when it was replaced: a commit keeps
the paths it removed, and the commit's own age is theirs. A file that no commit ever named was written
by a process that died before it could commit.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from urllib.parse import unquote

import msgspec

from cloud_conductor.adapters.delta_files import day_of
from cloud_conductor.adapters.delta_places import Place

LOG = "_delta_log/"
SUFFIX = ".parquet"


class _Removed(msgspec.Struct):
    path: str


class _Action(msgspec.Struct):
    remove: _Removed | None = None


_decoder = msgspec.json.Decoder(_Action)


def unneeded(
    place: Place,
    table: str,
    live: Collection[str],
    before: datetime,
    leave: Collection[date] = (),
) -> Mapping[str, int]:
    """Path below the table -> bytes, of every data file that no version since `before` refers to.

    live: paths of the present version, read before this is called. A file written since is left
    alone: its commit may be on its way. leave: dates of which nothing is taken.
    """
    old: dict[str, int] = {}
    needed = set(live)
    for path, written_at, size in place.files(table):
        if path.startswith(LOG):
            if path.endswith(".json") and written_at >= before:
                needed |= _removed_by(place.content(table, path))
        elif path.endswith(SUFFIX) and written_at < before and day_of(f"/{path}") not in leave:
            old[path] = size
    return {path: size for path, size in sorted(old.items()) if path not in needed}


def _removed_by(commit: bytes) -> set[str]:
    """Paths a commit took out of the table: the versions before it still refer to them."""
    actions = (_decoder.decode(line) for line in commit.splitlines() if line)
    return {unquote(one.remove.path) for one in actions if one.remove is not None}
