"""Where a lake's tables live: a folder of this machine, or a prefix of a bucket.

A folder's files are made durable by `DeltaLake.sync`; a bucket's are on return.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

WHOLE_BYTES_MAX = 1 << 20
CHUNK = 1_000  # S3 lists and deletes so many at a time
UNSAFE = frozenset("%[]|^\\")


class Place(Protocol):
    """What DeltaLake needs of either. Addresses of files are `<table address>/<path>`."""

    @property
    def is_folder(self) -> bool:
        """Whether addresses are paths that DuckDB and the operating system open."""
        ...

    @property
    def options(self) -> dict[str, str] | None:
        """What Delta needs beside an address."""
        ...

    def table(self, name: str) -> str:
        """Address of a table."""
        ...

    def make(self, name: str) -> None:
        """Room for a new table."""
        ...

    def may_have(self, name: str, version: int) -> bool:
        """False only when a version of a table's log is certainly not there."""
        ...

    def write(self, name: str, path: str, data: bytes) -> int:
        """A data file of a table; gives when it was written, in milliseconds since 1970."""
        ...

    def source(self, address: str) -> Any:
        """What Parquet is read from.

        A small file is read as a whole: its footer and its columns apart would be twice.
        """
        ...

    def files(self, name: str) -> Iterator[tuple[str, datetime, int]]:
        """Every file of a table and of its log: path, when it was written, bytes."""
        ...

    def content(self, name: str, path: str) -> bytes:
        """A whole file of a table."""
        ...

    def remove(self, name: str, paths: Iterable[str]) -> None:
        """Remove files of a table; those that are gone already are no matter."""
        ...


class Folder:
    """Tables below a folder: `<root>/<table>/business_date=.../*.parquet`."""

    is_folder = True
    options: dict[str, str] | None = None

    def __init__(self, root: Path) -> None:
        self.root = root

    def table(self, name: str) -> str:
        return str(self.root / name)

    def make(self, name: str) -> None:
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def may_have(self, name: str, version: int) -> bool:
        return (self.root / name / "_delta_log" / f"{version:020d}.json").exists()

    def write(self, name: str, path: str, data: bytes) -> int:
        found = self.root / name / path
        found.parent.mkdir(exist_ok=True)
        found.write_bytes(data)
        return found.stat().st_mtime_ns // 1_000_000

    def source(self, address: str) -> Any:
        path = Path(address)
        if path.stat().st_size > WHOLE_BYTES_MAX:
            return path
        return pa.BufferReader(path.read_bytes())

    def files(self, name: str) -> Iterator[tuple[str, datetime, int]]:
        root = self.root / name
        for folder, _, names in os.walk(root):
            for one in names:
                path = Path(folder, one)
                try:
                    told = path.stat()
                except FileNotFoundError:  # a log's temporary file
                    continue
                written_at = datetime.fromtimestamp(told.st_mtime, UTC)
                yield path.relative_to(root).as_posix(), written_at, told.st_size

    def content(self, name: str, path: str) -> bytes:
        return (self.root / name / path).read_bytes()

    def remove(self, name: str, paths: Iterable[str]) -> None:
        for path in paths:
            (self.root / name / path).unlink(missing_ok=True)


class Bucket:
    """Tables below `s3://bucket/prefix`, read and written with obstore."""

    is_folder = False

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        from cloud_conductor.adapters.buckets import store_of

        self._address = address.rstrip("/")
        self.options: dict[str, str] | None = dict(options)
        self._store = store_of(self._address, options)

    def table(self, name: str) -> str:
        return f"{self._address}/{name}"

    def make(self, name: str) -> None:
        """Nothing: a bucket has no folders."""

    def may_have(self, name: str, version: int) -> bool:
        """Asking for one object costs what asking for the next version costs."""
        assert name
        assert version >= 0
        return True

    def write(self, name: str, path: str, data: bytes) -> int:
        self._store.put(f"{name}/{path}", data)
        written = self._store.head(f"{name}/{path}")["last_modified"]
        return int(written.timestamp() * 1_000)

    def source(self, address: str) -> Any:
        found = self._store.get(address.removeprefix(f"{self._address}/")).bytes()
        return pa.BufferReader(pa.py_buffer(bytes(found)))

    def files(self, name: str) -> Iterator[tuple[str, datetime, int]]:
        for chunk in self._store.list(name, chunk_size=CHUNK):
            for one in chunk:
                yield one["path"].removeprefix(f"{name}/"), one["last_modified"], one["size"]

    def content(self, name: str, path: str) -> bytes:
        return bytes(self._store.get(f"{name}/{path}").bytes())

    def remove(self, name: str, paths: Iterable[str]) -> None:
        keys = [f"{name}/{path}" for path in paths]
        for start in range(0, len(keys), CHUNK):
            self._store.delete(keys[start : start + CHUNK])


def fsync(path: Path) -> None:
    """Make a file, or a folder's list of files, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
