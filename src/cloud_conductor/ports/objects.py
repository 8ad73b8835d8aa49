"""Object storage: create-if-absent, get, range, list, delete. Compare-and-swap belongs to state."""

from collections.abc import Iterator
from typing import Protocol


class ObjectStore(Protocol):
    """Keys are `/`-separated. Writes are durable on return."""

    def create(self, key: str, data: bytes) -> bool:
        """Write unless the key exists. False when it does (the bytes there are left alone)."""
        ...

    def get(self, key: str) -> bytes: ...

    def get_range(self, key: str, start: int, length: int) -> bytes: ...

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Idempotent: deleting what is not there is fine."""
        ...

    def url(self, key: str) -> str:
        """An address engines can open (a path on one machine, s3:// elsewhere)."""
        ...
