"""A place where exports land: a folder, or a prefix of an object store."""

from collections.abc import Iterator
from typing import Protocol

import msgspec


class LandedFile(msgspec.Struct, frozen=True):
    """A file that is there. path: from the place's top, `/`-separated.

    mark: changes whenever the content may have changed (size and time of a file, an ETag).
    is_complete: False while somebody may still be writing it.
    """

    path: str
    size_bytes: int
    mark: str
    is_complete: bool


class LandingPlace(Protocol):
    """Read-only: what was exported stays where it is."""

    def files(self) -> Iterator[LandedFile]:
        """Every file that may be an export, sorted by path. VendorUnavailable when not reachable."""
        ...

    def find(self, path: str) -> LandedFile | None:
        """One file, or None when it is not there."""
        ...

    def read(self, file: LandedFile) -> bytes | None:
        """The whole file; None when it is gone or is no longer what `file` says."""
        ...

    def url(self, path: str) -> str:
        """The file's full address, kept with every event made of it."""
        ...
