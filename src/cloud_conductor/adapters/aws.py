"""One AWS client engine for S3, SQS and SNS: botocore with written limits and no retries of its own.

The flows retry, with their outbox and their positions; a client that retries in secret would send
twice behind their back.
"""

from typing import Any

from cloud_conductor.domain.errors import (
    ConductorError,
    MissingExtra,
    RateLimited,
    VendorRefused,
    VendorUnavailable,
)

try:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ModuleNotFoundError as missing:
    raise MissingExtra("botocore", "aws") from missing

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
VENDOR_ERRORS: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "RequestThrottled", "RequestLimitExceeded", "SlowDown",
    "TooManyRequestsException", "KmsThrottled",
})  # fmt: skip


def client(service: str, *, region: str = "", endpoint: str = "") -> Any:
    """A client of a service. endpoint: of something that speaks its protocol and is not AWS."""
    try:
        return botocore.session.Session().create_client(
            service,
            region_name=region or None,
            endpoint_url=endpoint or None,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"total_max_attempts": 1, "mode": "standard"},
                s3={"addressing_style": "path"} if endpoint else {},
            ),
        )
    except VENDOR_ERRORS as error:
        raise VendorRefused(
            f"no client of AWS {service}: {error}", hint="set region, or AWS_DEFAULT_REGION"
        ) from error


def failed(error: Exception, doing: str) -> ConductorError:
    """What a failed call means to a flow: later, or a person must act."""
    response = getattr(error, "response", None)
    if response is None:
        if type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError"}:
            return VendorRefused(f"{doing}: {error}", hint="give this process AWS credentials")
        return VendorUnavailable(f"{doing}: {error}")
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(response.get("Error", {}).get("Code", ""))
    if code in THROTTLED or status == 429:
        return RateLimited(f"{doing}: {code}", retry_after_s=1.0)
    if status >= 500 or not status:
        return VendorUnavailable(f"{doing}: {code} ({status})")
    return VendorRefused(f"{doing}: {error}")
