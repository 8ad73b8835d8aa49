"""The processed zone: open tables partitioned by business_date, each with its own position."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Protocol

import pyarrow as pa


class Lake(Protocol):
    """Tables of `domain.schemas.TABLES`.

    While a day is open rows are appended with versions; readers take the latest per key. A seal
    replaces the partition with one sorted row per key. A table carries its own position per
    consumer: re-appending what it has is a no-op, a hole raises CursorGap.
    """

    def position(self, table: str, app: str) -> int:
        """Last seq of `app` committed into the table; 0 for none."""
        ...

    def append(self, table: str, rows: pa.Table, *, app: str, lo: int, hi: int) -> bool:
        """Add rows of log range (lo, hi]; False when the table has them. CursorGap on a hole."""
        ...

    def replace(
        self,
        table: str,
        dates: Sequence[date],
        rows: pa.Table,
        *,
        basis: Mapping[date, str] | None = None,
    ) -> None:
        """Atomically replace partitions (the seal), each by one file sorted by key.

        Stands on the version this instance read last: rows that others added since are never
        dropped, the commit is refused (Transient) and the caller reads again. ValueError on rows
        of another date. basis: what `basis` said before the rows were read.
        """
        ...

    def basis(
        self, table: str, dates: Sequence[date], inputs: Collection[str] = ()
    ) -> Mapping[date, str]:
        """What a seal of each date stands on now: its parent's rows, and `inputs`, other tables."""
        ...

    def sealed(self, table: str, dates: Sequence[date], inputs: Collection[str] = ()) -> set[date]:
        """Dates that are as a seal left them, over a basis that has not changed since."""
        ...

    def uris(self, table: str, dates: Sequence[date] | None = None) -> list[str]:
        """Addresses of the table's live files, of some business dates or of all."""
        ...

    def dates(self, table: str) -> list[date]:
        """Business dates that have a partition, sorted."""
        ...

    def newest(self, table: str) -> Mapping[date, int]:
        """Largest log_seq of each business date, from file statistics: nothing is read."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """While it lasts, each table is read as of the first look at it; nothing is written.

        A bucket is asked once for a newer version, not at every read.
        """
        ...

    def read(
        self,
        table: str,
        dates: Sequence[date] | None = None,
        *,
        columns: Sequence[str] | None = None,
        where: tuple[str, Collection[str]] | None = None,
    ) -> pa.Table:
        """Latest version per key (and of the parent), tombstones left out, sorted by key.

        where: a text column and values; only objects (sales, payouts, ...) with a row that has one.
        """
        ...

    def digest(self, table: str, business_date: date) -> str:
        """SHA-256 over rows sorted by key without arrival columns: what `identical` means (INV-14)."""
        ...

    def digest_rows(self, table: str, rows: pa.Table) -> str:
        """The digest of given rows of a table, e.g. of enriched ones of an open day."""
        ...

    def vacuum(
        self,
        table: str,
        *,
        before: datetime,
        leave: Collection[date] = (),
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        """Remove files that no version of the table since `before` refers to; address -> bytes.

        A reader that opened the table since then, and a writer on its way, lose nothing. leave:
        dates of which nothing is removed. dry_run: only tell. Again after a crash goes on.
        """
        ...

    def sync(self) -> Mapping[str, int]:
        """Fsync what was added since the last call; returns app -> position now durable."""
        ...
