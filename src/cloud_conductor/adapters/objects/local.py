"""Objects as files below a folder of this machine; every write is fsynced, then visible at once."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from cloud_conductor.domain.errors import ConfigError, DiskPressure

PARTIAL = ".partial-"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
RETRY_AFTER_S = 30.0


class LocalObjects:
    """Satisfies ports.objects.ObjectStore. A crash leaves an object whole or not there at all."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._root.mkdir(parents=True, exist_ok=True)

    def create(self, key: str, data: bytes) -> bool:
        """Write aside, fsync, link under the final name (which fails if it is taken), fsync."""
        path = self._path(key)
        try:
            return self._create(path, data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DiskPressure(
                f"{key} could not be written: {error.strerror}", retry_after_s=RETRY_AFTER_S
            ) from error

    def _create(self, path: Path, data: bytes) -> bool:
        self._make_folder(path.parent)
        partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex}")
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(partial, path)
            except FileExistsError:
                return False
        finally:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
        _sync_folder(path.parent)
        return True

    def get(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        return self._path(key).read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        with self._path(key).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that begin with `prefix`, sorted. Unfinished writes are not objects."""
        folder = self._path(prefix.rpartition("/")[0])
        keys = (
            (Path(parent) / name).relative_to(self._root).as_posix()
            for parent, _, names in os.walk(folder)
            for name in names
            if not name.startswith(PARTIAL)
        )
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)

    def url(self, key: str) -> str:
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        path = self._root / key
        if ".." in Path(key).parts or not path.is_relative_to(self._root):
            raise ConfigError(f"the key {key!r} leaves the store")
        return path

    def _make_folder(self, folder: Path) -> None:
        """Make missing folders, each made durable in its parent."""
        missing = [folder, *folder.parents]
        for one in reversed(missing[: missing.index(self._root)]):
            if not one.exists():
                one.mkdir(exist_ok=True)
                _sync_folder(one.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
