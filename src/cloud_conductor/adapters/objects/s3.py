"""Objects below a prefix of an S3-compatible bucket.

Docs: Amazon S3 API reference PutObject ("Conditional requests": If-None-Match), GetObject,
ListObjectsV2, DeleteObject; obstore "put", "list".
"""

from collections.abc import Iterator, Mapping

from cloud_conductor.adapters.buckets import RETRIES_MAX, store_of
from cloud_conductor.domain.errors import VendorUnavailable

LIST_CHUNK = 1_000


class S3Objects:
    """Satisfies ports.objects.ObjectStore; a write is durable when the bucket has taken it."""

    def __init__(
        self, address: str, options: Mapping[str, str], *, retries_max: int = RETRIES_MAX
    ) -> None:
        self._address = address.rstrip("/")
        self._store = store_of(self._address, options, retries_max=retries_max)

    def create(self, key: str, data: bytes) -> bool:
        """Raises VendorUnavailable where the store does not answer."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            self._store.put(key, data, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        except BaseError as error:
            raise VendorUnavailable(f"{self.url(key)} was not written: {error}") from error
        return True

    def get(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        return bytes(self._store.get(key).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return bytes(self._store.get_range(key, start=start, length=length))

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that begin with `prefix`, sorted. Buckets list by whole folders of a key."""
        folder = prefix.rpartition("/")[0]
        chunks = self._store.list(folder or None, chunk_size=LIST_CHUNK)
        keys = (found["path"] for chunk in chunks for found in chunk)
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def url(self, key: str) -> str:
        return f"{self._address}/{key}"
