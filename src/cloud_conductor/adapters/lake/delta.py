"""The processed zone as Delta tables on a local path, read through DuckDB.

Docs: Delta Lake protocol ("Transaction Identifiers", "Commit Provenance"), delta-rs 1.6 Python
API, DuckDB 2.0 "Reading and Writing Parquet". What Delta does not do is done here: a re-run with a
known (app, version) would be accepted and double the rows, so the position is checked first; no
file is ever fsynced, so `sync` does it before anybody relies on a position. Data files are written
here too (`delta_files`): a commit of a month of days took three times as long through Delta's writer.

One instance per process and thread: handles are held, because opening one grows with the log.
"""
# ruff: noqa: S608  # SQL is made of names from domain.schemas and of quoted paths, nothing else

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from cloud_conductor.adapters.delta_files import (
    OPEN,
    SEALED,
    DataFile,
    data_files,
    day_of,
    digest_of,
    sealed_name,
    sealed_on,
    with_date,
)
from cloud_conductor.adapters.delta_places import UNSAFE, Bucket, Folder, Place, fsync
from cloud_conductor.adapters.delta_vacuum import unneeded
from cloud_conductor.domain.errors import ChecksumMismatch, ConfigError, CursorGap, Transient
from cloud_conductor.domain.schemas import ARRIVAL_COLUMNS, KEYS, PARENTS, PARTITIONED, TABLES

COMMIT_ATTEMPTS_MAX = 8
MOVED = "moved"
PARTITION_VALUE, NEWEST = "partition.business_date", "max.log_seq"
_FORBIDDEN = ("delta.enableDeletionVectors", "delta.columnMapping.mode")


class _Snapshot(msgspec.Struct, frozen=True):
    """The live files of one version of a table, by business date (None: not partitioned)."""

    version: int
    uris: dict[date | None, list[str]]
    newest: dict[date, int]


class DeltaLake:
    """Satisfies ports.lake.Lake below one folder: `<root>/<table>/business_date=.../*.parquet`."""

    def __init__(self, root: Path | str, options: Mapping[str, str] | None = None) -> None:
        """root: a folder, or `s3://bucket/prefix` with the options of `adapters.buckets`."""
        if refused := UNSAFE.intersection(str(root)):
            raise ConfigError(
                f"the lake's folder {root} has {' '.join(sorted(refused))} in its name: Delta takes"
                " paths for URLs",
                hint="choose another folder in [lake]",
            )
        self.root = root
        self.options = dict(options or {})
        self._place: Place = (
            Bucket(str(root), self.options) if str(root).startswith("s3://") else Folder(Path(root))
        )
        self._handles: dict[str, DeltaTable] = {}
        self._apps: dict[str, set[str]] = {}
        self._durable: dict[str, set[str]] = {}
        self._snapshots: dict[str, _Snapshot] = {}
        self._held: set[str] | None = None
        self._duck = duckdb.connect()

    @property
    def is_folder(self) -> bool:
        """Whether addresses of files are paths of this machine."""
        return self._place.is_folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Tables are read as of the first look at each; see ports.lake.Lake."""
        before = self._held
        self._held = set() if before is None else before
        try:
            yield
        finally:
            self._held = before

    def position(self, table: str, app: str) -> int:
        """Last seq of `app` committed into the table; 0 for none."""
        self._apps.setdefault(table, set()).add(app)
        handle = self._fresh(table)
        return (handle.transaction_version(app) or 0) if handle else 0

    def append(self, table: str, rows: pa.Table, *, app: str, lo: int, hi: int) -> bool:
        """Add rows of log range (lo, hi] in one commit; see ports.lake.Lake.

        Another writer's commit in between (a seal) is waited out by a fresh look, at most
        COMMIT_ATTEMPTS_MAX times.
        """
        assert lo < hi, f"empty range ({lo}, {hi}]"
        self._create(table)
        for _ in range(COMMIT_ATTEMPTS_MAX):
            done = self.position(table, app)
            if done >= hi:
                return False
            if done != lo:
                raise CursorGap(
                    f"table {table} holds the log to {done} for {app}, not to {lo}: the lake and"
                    " the state folder are not of one piece"
                )
            try:
                self._commit(
                    table,
                    list(data_files(table, rows.select(TABLES[table].names), OPEN, {})),
                    CommitProperties(app_transactions=[Transaction(app, hi)], max_commit_retries=0),
                )
            except CommitFailedError:
                continue
            return True
        raise Transient(f"table {table} is being written by others", hint="try again")

    def replace(
        self,
        table: str,
        dates: Sequence[date],
        rows: pa.Table,
        *,
        basis: Mapping[date, str] | None = None,
    ) -> None:
        """Replace partitions by sorted rows, one file each, in one commit; see ports.lake.Lake."""
        known = set(rows["business_date"].unique().to_pylist())
        if strange := known - set(dates):
            raise ValueError(f"rows of {sorted(strange)} do not belong into {sorted(dates)}")
        if table not in self._handles:
            raise ValueError(f"table {table} was not read before it is replaced")
        order = [(key, "ascending") for key in KEYS[table]]
        ordered = rows.cast(TABLES[table]).sort_by(order)
        files = list(data_files(table, ordered, SEALED, basis or {}))
        try:
            self._commit(table, files, CommitProperties(max_commit_retries=0), dates)
        except CommitFailedError as error:
            raise Transient(
                f"table {table}: rows were added while {min(dates)} to {max(dates)} were sealed",
                hint="seal again",
            ) from error

    def basis(
        self, table: str, dates: Sequence[date], inputs: Collection[str] = ()
    ) -> dict[date, str]:
        """What a seal of each date stands on now; see ports.lake.Lake."""
        parents = [PARENTS[table][0]] if table in PARENTS else []
        with self.held():
            return {
                day: sealed_name(
                    self._digest_of(parents, day), self._digest_of(sorted(inputs), day)
                )
                for day in dates
            }

    def sealed(self, table: str, dates: Sequence[date], inputs: Collection[str] = ()) -> set[date]:
        """Dates that are as a seal over the present `basis` left them; see ports.lake.Lake."""
        snapshot = self._snapshot(table)
        present = {day: sealed_on(snapshot.uris.get(day, ())) for day in dates}
        basis = self.basis(table, [day for day in dates if present[day]], inputs)
        return {
            day for day, name in basis.items() if sealed_name(*present[day] or ("", "")) == name
        }

    def uris(self, table: str, dates: Sequence[date] | None = None) -> list[str]:
        """Addresses of the table's live files, sorted; of some business dates or of all."""
        found = self._snapshot(table).uris
        wanted = found if dates is None else {*dates, None} & found.keys()
        return sorted(uri for day in wanted for uri in found[day])

    def dates(self, table: str) -> list[date]:
        """Business dates that have a partition, sorted."""
        return sorted(day for day in self._snapshot(table).uris if day is not None)

    def newest(self, table: str) -> Mapping[date, int]:
        """Largest log_seq of each business date, from file statistics: nothing is read."""
        return self._snapshot(table).newest

    def read(
        self,
        table: str,
        dates: Sequence[date] | None = None,
        *,
        columns: Sequence[str] | None = None,
        where: tuple[str, Collection[str]] | None = None,
    ) -> pa.Table:
        """Latest version per key and business date, tombstones out, sorted; see ports.lake.Lake."""
        schema = TABLES[table]
        wanted = pa.schema([schema.field(name) for name in columns or schema.names])
        parent = PARENTS.get(table)
        uris = self.uris(table, dates)
        if not uris:
            return wanted.empty_table()
        if dates is not None and len(dates) == 1 and not where and self._is_sealed(table, dates[0]):
            with self._readable(table, uris):
                return self._read_sealed(table, uris[0], dates[0], wanted.names)
        parent_uris = self.uris(parent[0], dates) if parent else []
        if parent and not parent_uris:
            return wanted.empty_table()
        with self._readable(table, [*uris, *parent_uris]):
            query = self._query(table, uris, parent_uris, wanted.names, where)
            return self._duck.sql(query).to_arrow_table().cast(wanted)

    def _query(
        self,
        table: str,
        uris: Sequence[str],
        parent_uris: Sequence[str],
        columns: Sequence[str],
        where: tuple[str, Collection[str]] | None,
    ) -> str:
        """SQL: latest rows of some files, of whose parent's winning version they are."""
        parent = PARENTS.get(table)
        source = self._source(table, uris)
        objects = _objects(table, source, *where) if where else ""
        query = _latest(table, source, objects)
        if parent:
            name, keys = parent
            same = (*keys, "business_date", "version_rank", "version_digest")
            latest = _latest(name, self._source(name, parent_uris), objects)
            query = (
                f"select c.* from ({query}) c semi join ({latest}) p"
                f" on {' and '.join(f'c.{column} = p.{column}' for column in same)}"
            )
        return f"select {', '.join(columns)} from ({query}) order by {', '.join(KEYS[table])}"

    def digest(self, table: str, business_date: date) -> str:
        """SHA-256 over the sorted rows without arrival columns: what `identical` means (INV-14).

        Of a table that is not partitioned, over all of it. A row is the text of its columns, apart
        by U+001F, null as U+0000: instants in microseconds since 1970, decimals with six digits.
        """
        return self.digest_rows(table, self.read(table, [business_date]))

    def digest_rows(self, table: str, rows: pa.Table) -> str:
        """The digest of given rows of a table, e.g. of enriched ones of an open day."""
        columns = [field for field in TABLES[table] if field.name not in ARRIVAL_COLUMNS]
        parts = ", ".join(f"coalesce({_as_text(field)}, chr(0))" for field in columns)
        self._duck.register("latest", rows)
        texts = self._duck.sql(
            f"select concat_ws(chr(31), {parts}) as text from latest"
            f" order by {', '.join(KEYS[table])}"
        ).to_arrow_table()["text"]
        self._duck.unregister("latest")
        digest = hashlib.sha256()
        for text in texts.to_pylist():
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()

    def sync(self) -> Mapping[str, int]:
        """Fsync what was added since the last call; returns app -> position now durable.

        The first call for a table syncs all its live files: another process may have died between
        its commit and its sync.
        """
        positions = {}
        for table in sorted(self._handles):
            handle = self._fresh(table)
            assert handle is not None
            if self._place.is_folder:
                self._make_durable(table, Path(self._place.table(table)))
            for app in self._apps.get(table, ()):
                positions[app] = handle.transaction_version(app) or 0
        return positions

    def vacuum(
        self,
        table: str,
        *,
        before: datetime,
        leave: Collection[date] = (),
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        """Remove files that no version since `before` refers to; see ports.lake.Lake."""
        handle = self._fresh(table)
        if handle is None:
            return {}
        address = self._place.table(table)
        live = {uri.removeprefix(f"{address}/") for uri in self.uris(table)}
        found = unneeded(self._place, table, live, before, leave)
        if not dry_run:
            self._place.remove(table, found)
        return {f"{address}/{path}": size for path, size in found.items()}

    def _make_durable(self, table: str, folder: Path) -> None:
        known = self._durable.setdefault(table, set())
        log = folder / "_delta_log"
        present = {*self.uris(table), *(str(entry) for entry in log.iterdir())}
        added = sorted(present - known)
        for path in added:
            fsync(Path(path))
        for one in sorted({str(Path(path).parent) for path in added}):
            fsync(Path(one))
        if added:
            fsync(folder)
            fsync(folder.parent)
        self._durable[table] = present

    @contextmanager
    def _readable(self, table: str, uris: Sequence[str]) -> Iterator[None]:
        """Name the file that is cut off, overwritten or gone, and what brings it back."""
        try:
            yield
        except (duckdb.Error, pa.ArrowInvalid, OSError) as error:
            broken = next((uri for uri in uris if not self._is_whole(uri)), "")
            raise ChecksumMismatch(
                f"table {table}: {broken or 'one of its files'} cannot be read",
                hint="stop conductor up, then: conductor replay --rebuild",
            ) from error

    def _is_whole(self, uri: str) -> bool:
        try:
            with pq.ParquetFile(self._place.source(uri)) as file:
                file.read(use_threads=False)
        except (pa.ArrowInvalid, OSError):
            return False
        return True

    def _source(self, table: str, uris: Sequence[str]) -> str:
        """SQL that names the rows of some files. A bucket's are fetched: DuckDB reads no bucket."""
        if self._place.is_folder:
            return _files(table, uris)
        parts = []
        for uri in uris:
            with pq.ParquetFile(self._place.source(uri)) as file:
                names = [name for name in TABLES[table].names if name in file.schema_arrow.names]
                day = day_of(uri)
                columns = [*names, *(["business_date"] if day else [])]
                rows = file.read(columns=names, use_threads=False)
                parts.append(
                    with_date(table, rows, day, sorted(columns, key=TABLES[table].names.index))
                )
        self._duck.register(f"fetched_{table}", pa.concat_tables(parts))
        return f"fetched_{table}"

    def _create(self, table: str) -> None:
        if self._fresh(table) is not None:
            return
        self._place.make(table)
        keys = ["business_date"] if table in PARTITIONED else None
        DeltaTable.create(
            self._place.table(table),
            TABLES[table],
            mode="ignore",
            partition_by=keys,
            storage_options=self._place.options,
        )
        self._fresh(table)

    def _fresh(self, table: str) -> DeltaTable | None:
        """The held handle at the table's newest version; None while there is no table."""
        handle = self._handles.get(table)
        if handle is not None and self._held is not None and table in self._held:
            return handle
        if self._held is not None:
            self._held.add(table)
        if handle is not None:
            if self._place.may_have(table, handle.version() + 1):
                handle.update_incremental()
            return handle
        try:
            handle = DeltaTable(self._place.table(table), storage_options=self._place.options)
        except TableNotFoundError:
            return None
        features = handle.metadata().configuration
        assert not any(name in features for name in _FORBIDDEN), (
            f"{table}: a list of files would not see {features}"
        )
        self._handles[table] = handle
        return handle

    def _snapshot(self, table: str) -> _Snapshot:
        """Live files as of the newest version; made once a version."""
        handle = self._fresh(table)
        if handle is None:
            return _Snapshot(-1, {}, {})
        known = self._snapshots.get(table)
        if known is None or known.version != handle.version():
            known = self._snapshots[table] = _snapshot_of(handle, self._place.table(table))
        return known

    def _commit(
        self,
        table: str,
        files: Sequence[DataFile],
        properties: CommitProperties,
        replaced: Sequence[date] = (),
    ) -> None:
        """Write files, then tell Delta's log of them, in place of the partitions replaced."""
        days = [day.isoformat() for day in replaced]
        self._handles[table].create_write_transaction(
            [one.action(self._place.write(table, one.path, one.data)) for one in files],
            mode="overwrite" if replaced else "append",
            schema=TABLES[table],
            partition_by=["business_date"] if table in PARTITIONED else None,
            partition_filters=[("business_date", "in", days)] if days else None,
            commit_properties=properties,
        )

    def _digest_of(self, tables: Sequence[str], day: date) -> str:
        """Identity of the files of some tables that a date depends on."""
        names = []
        for table in tables:
            uris = self._snapshot(table).uris
            names += uris.get(day, []) if table in PARTITIONED else uris.get(None, [])
        return digest_of(name.rpartition("/")[2] for name in names)

    def _is_sealed(self, table: str, day: date) -> bool:
        """Whether a date is one sealed file, and its parent as it was then."""
        found = sealed_on(self._snapshot(table).uris.get(day, ()))
        parents = [PARENTS[table][0]] if table in PARENTS else []
        return found is not None and found[0] == self._digest_of(parents, day)

    def _read_sealed(self, table: str, uri: str, day: date, columns: Sequence[str]) -> pa.Table:
        """Rows of a sealed file as they stand: latest, sorted."""
        wanted = [name for name in columns if name != "business_date"]
        with pq.ParquetFile(self._place.source(uri)) as file:
            rows = file.read(columns=wanted, use_threads=False)
        return with_date(table, rows, day, columns)


def _snapshot_of(handle: DeltaTable, address: str) -> _Snapshot:
    """Live files of a table's present version, from its log alone."""
    actions = pa.table(handle.get_add_actions(flatten=True))
    paths = actions["path"].to_pylist()
    nothing = [None] * len(paths)
    names = actions.column_names
    days = actions[PARTITION_VALUE].to_pylist() if PARTITION_VALUE in names else nothing
    seqs = actions[NEWEST].to_pylist() if NEWEST in names else nothing
    uris: dict[date | None, list[str]] = {}
    newest: dict[date, int] = {}
    for path, day, seq in zip(paths, days, seqs, strict=True):
        uris.setdefault(day, []).append(f"{address}/{path}")
        if day is not None and seq is not None:
            newest[day] = max(seq, newest.get(day, 0))
    return _Snapshot(handle.version(), uris, newest)


def _latest(table: str, source: str, objects: str = "") -> str:
    """SQL: the winning version of every key and business date, tombstones left out (INV-14).

    objects: SQL that limits the rows to some objects of the vendor's, from `_objects`.

    Newest first, at one rank the larger digest; a tombstone beats the row of its own version; equal
    versions are equal rows, of which the one that came first is kept.
    """
    has_state = "state" in TABLES[table].names
    moved = f"(state = '{MOVED}') desc, " if has_state else ""
    rows = (
        f"select * from {source} {objects} qualify row_number() over ("
        f"partition by business_date, {', '.join(KEYS[table])}"
        f" order by version_rank desc, version_digest desc, {moved}log_seq) = 1"
    )
    return f"select * from ({rows}) where state <> '{MOVED}'" if has_state else rows


def _objects(table: str, source: str, column: str, values: Collection[str]) -> str:
    """SQL: only objects of which some row, of any version, has one of the values."""
    (key, *_) = (name for name in KEYS[table] if name.endswith("_id") and name != "merchant_id")
    wanted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    assert column in TABLES[table].names, column
    found = f"select {key} from {source} where {column} in ({wanted})"
    return f"where {key} in ({found})"


def _files(table: str, uris: Sequence[str]) -> str:
    files = ", ".join(_quoted(uri) for uri in uris)
    hive = (
        "hive_partitioning=true, hive_types={'business_date': date}"
        if table in PARTITIONED
        else "hive_partitioning=false"
    )
    return f"read_parquet([{files}], {hive})"


def _quoted(path: str) -> str:
    """A path as an SQL literal that DuckDB does not take for a pattern."""
    plain = re.sub(r"[*?]", lambda found: f"[{found.group()}]", path)
    return "'" + plain.replace("'", "''") + "'"


def _as_text(field: pa.Field) -> str:
    if pa.types.is_timestamp(field.type):
        return f"epoch_us({field.name})::varchar"
    return f"{field.name}::varchar"
