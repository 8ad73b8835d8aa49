"""Objects below a prefix of an S3-compatible bucket, through obstore (the extra [s3]).

Docs: Amazon S3 API reference PutObject ("Conditional requests": If-None-Match), GetObject,
ListObjectsV2, DeleteObject; obstore "put", "list". Credentials are found as every AWS tool finds
them (environment, profile, role); the store must honour If-None-Match, as AWS does.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from cloud_conductor.domain.errors import MissingExtra, VendorUnavailable

SCHEME = "s3://"
LIST_CHUNK = 1_000
RETRIES_MAX = 6
FOUND_IN = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "aws_region": "AWS_REGION",
    "aws_endpoint_url": "AWS_ENDPOINT_URL",
}
"""Option -> the environment's name of it, where one process uses one account."""


def options_of(
    *, region: str = "", endpoint: str = "", environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Options of a bucket, as obstore and Delta both take them.

    endpoint: of a store that speaks S3 and is not AWS; plain http only where it says so.
    """
    found = {name: environ[known] for name, known in FOUND_IN.items() if environ.get(known)}
    given = {"aws_region": region, "aws_endpoint_url": endpoint}
    found |= {name: value for name, value in given.items() if value}
    if found.get("aws_endpoint_url", "").startswith("http://"):
        found["aws_allow_http"] = "true"
    return {"aws_conditional_put": "etag", **found}


def store_of(address: str, options: Mapping[str, str], *, retries_max: int = RETRIES_MAX) -> Any:
    """An obstore store rooted at `s3://bucket/prefix`."""
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise MissingExtra("obstore", "s3") from error
    parts = urlsplit(address)
    config: Any = {name: value for name, value in options.items() if name != "aws_allow_http"}
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=config,
        client_options={"allow_http": options.get("aws_allow_http") == "true"},
        retry_config={"max_retries": retries_max},
    )


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
