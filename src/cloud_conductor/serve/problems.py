"""Failures as application/problem+json (RFC 9457), with the codes of the command line."""

from typing import Any

import msgspec

from cloud_conductor.domain.errors import (
    ApprovalRefused,
    BadRequest,
    ConductorError,
    ConfigError,
    Conflict,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PostingRejected,
    TooManyRequests,
    Transient,
    VendorRefused,
)

STATUS: tuple[tuple[type[ConductorError], int], ...] = (
    (BadRequest, 422),
    (NotAuthenticated, 401),
    (NotAllowed, 403),
    (ApprovalRefused, 403),
    (NotFound, 404),
    (Conflict, 409),
    (ConfigError, 422),
    (TooManyRequests, 429),
    (VendorRefused, 502),
    (PostingRejected, 502),
    (Transient, 503),
)
TITLES = {
    400: "The request cannot be read",
    401: "Nobody is signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Another method is needed",
    409: "Conflict",
    413: "Too large",
    415: "Only JSON is taken",
    422: "The request cannot be understood",
    429: "Too many requests",
    500: "A fault of ours",
    502: "The vendor refused",
    503: "Not now",
}
JSON_BYTES_MAX = 1_048_576


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with a request, at a JSON Pointer."""

    pointer: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, in the shape of RFC 9457. fix: one command or sentence that helps."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    fix: str = ""
    instance: str = ""
    errors: list[Fault] = []


class Refused(Exception):
    """A request that is answered with a problem; `headers` go with it."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers or {}


def problem(status: int, code: str, detail: str, **more: Any) -> Problem:
    """A problem by status and code."""
    title = TITLES.get(status, "Failed")
    return Problem(f"urn:cloud-conductor:error:{code}", title, status, detail, code, **more)


def of_error(error: ConductorError, instance: str) -> Refused:
    """The answer to an expected failure: its status by kind, its code and its fix."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    headers = {}
    if isinstance(error, Transient) and error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    told = problem(status, error.code, error.message, fix=error.fix, instance=instance)
    return Refused(told, headers)
