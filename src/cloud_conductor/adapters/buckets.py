"""Buckets that speak S3, through obstore (the extra [s3]).

Docs: Amazon S3 API reference PutObject ("Conditional requests": If-None-Match); obstore "S3Store".
Credentials are found as every AWS tool finds them (environment, profile, role); a store must honour
If-None-Match, as AWS does.
"""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cloud_conductor.domain.errors import MissingExtra

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
