"""Exports below a prefix of an S3-compatible bucket.

Docs: Amazon S3 API reference ListObjectsV2, GetObject, HeadObject. An object appears whole or not at
all, so none is half-written. Credentials are found the way every AWS tool finds them (environment,
profile, role), never configured here.
"""

from collections.abc import Iterator
from typing import Any

from cloud_conductor.adapters.aws import VENDOR_ERRORS, client, failed
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.exports import is_export
from cloud_conductor.ports.landing import LandedFile

OBJECTS_MAX = 100_000  # below one prefix: beyond it every look costs a hundred listings


class S3Place:
    """Every export below `s3://bucket/prefix` (ports.landing.LandingPlace).

    endpoint: of a store that speaks S3 and is not AWS; empty for AWS. The extra [aws] is needed.
    """

    def __init__(self, address: str, *, region: str = "", endpoint: str = "") -> None:
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client("s3", region=region, endpoint=endpoint)

    def files(self) -> Iterator[LandedFile]:
        listing = self._client.get_paginator("list_objects_v2")
        pages = listing.paginate(Bucket=self._bucket, Prefix=self._prefix)
        objects = 0
        try:
            for page in pages:
                objects += page.get("KeyCount", 0)
                if objects > OBJECTS_MAX:
                    raise ConfigError(
                        f"more than {OBJECTS_MAX} objects are below {self.url('')}",
                        hint="move what was taken elsewhere, or give each period a prefix",
                    )
                for found in page.get("Contents", ()):
                    path = found["Key"].removeprefix(self._prefix)
                    if is_export(path):
                        yield _landed(path, found["Size"], found["ETag"])
        except VENDOR_ERRORS as error:
            raise failed(error, f"listing {self._bucket}") from error

    def find(self, path: str) -> LandedFile | None:
        found = self._call("head_object", path)
        return None if found is None else _landed(path, found["ContentLength"], found["ETag"])

    def read(self, file: LandedFile) -> bytes | None:
        """The object as it was listed: an overwritten one is another file."""
        found = self._call("get_object", file.path, IfMatch=file.mark)
        if found is None:
            return None
        try:
            data: bytes = found["Body"].read()
        except VENDOR_ERRORS as error:
            raise failed(error, f"reading {file.path}") from error
        return data if len(data) == file.size_bytes else None

    def url(self, path: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{path}"

    def path_of(self, bucket: str, key: str) -> str | None:
        """Path of an object of an event; None when it is not below this place."""
        if bucket != self._bucket or not key.startswith(self._prefix):
            return None
        return key.removeprefix(self._prefix)

    def _call(self, operation: str, path: str, **more: str) -> dict[str, Any] | None:
        """None when the object is gone or has changed."""
        try:
            found: dict[str, Any] = getattr(self._client, operation)(
                Bucket=self._bucket, Key=f"{self._prefix}{path}", **more
            )
        except VENDOR_ERRORS as error:
            status = getattr(error, "response", {}).get("ResponseMetadata", {})
            if status.get("HTTPStatusCode") in {404, 412}:
                return None
            raise failed(error, f"reading {path}") from error
        return found


def _landed(path: str, size_bytes: int, mark: str) -> LandedFile:
    return LandedFile(path=path, size_bytes=size_bytes, mark=mark, is_complete=True)
