"""Everything that can go wrong outside the data, in one tree.

ConductorError                   code, hint, context
|-- Transient                    retrying may help (retry_after_s)
|   |-- RateLimited              the vendor asked us to wait
|   |-- VendorUnavailable        no answer, or a 5xx
|   |-- OutcomeUnknown           a write was sent and its answer lost: look up, never re-send blindly
|   |-- LeaseLost                another process took over
|   |-- DiskPressure             not enough space left to promise durability
|   `-- TooManyRequests          a caller of our own API asked too often
`-- Permanent                    a person must act
    |-- ConfigError              conductor.toml is wrong or incomplete
    |-- MissingExtra             an optional package is not installed
    |-- SignatureRejected        a webhook was not signed with our key
    |-- VendorRefused            the vendor understood and said no (4xx)
    |-- PostingRejected          the ledger refused a document
    |-- MappingGap               a role has no ledger account (D10)
    |-- ApprovalRefused          segregation of duties (R-15.3)
    |-- RepostRefused            nothing says that the document is gone (R-13.6)
    |-- UnknownCurrency          not ISO 4217 (R-1.2)
    |-- ChecksumMismatch         bytes differ from their digest
    |-- CursorGap                a table's position does not meet the log's
    |-- BadRequest               what a caller sent cannot be understood
    |   `-- QueryRefused         SQL that does not run here
    |-- NotAuthenticated         nobody is signed in
    |-- NotAllowed               a role, a store or an origin that may not
    |-- NotFound                 no such record
    `-- Conflict                 the record is in another state, or the key was used for other content

Bad *data* is not here: it is a `Finding`, returned, quarantined with its original bytes.
"""

from typing import ClassVar


class ConductorError(Exception):
    """Base: `code` is stable and documented, `hint` is the one command that fixes it."""

    code: ClassVar[str] = "CC-000"
    hint: ClassVar[str] = "conductor logs --errors"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = hint if hint is not None else self.hint

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Transient(ConductorError):
    """Retrying may help, after `retry_after_s` if it is known."""

    code = "CC-100"

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(Transient):
    code = "CC-101"
    hint = "wait; the run continues by itself"


class VendorUnavailable(Transient):
    code = "CC-102"
    hint = "conductor doctor"


class OutcomeUnknown(Transient):
    code = "CC-103"
    hint = "conductor journals list --state sending"


class LeaseLost(Transient):
    code = "CC-104"
    hint = "conductor status"


class DiskPressure(Transient):
    code = "CC-105"
    hint = "conductor doctor"


class TooManyRequests(Transient):
    code = "CC-106"
    hint = "wait as long as Retry-After says"


class Permanent(ConductorError):
    """A person must act; retrying the same thing gives the same answer."""

    code = "CC-200"


class ConfigError(Permanent):
    code = "CC-201"
    hint = "conductor doctor"


class MissingExtra(Permanent):
    code = "CC-202"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; it comes with the extra [{extra}]",
            hint=f"pip install 'cloud-conductor[{extra}]'",
        )


class SignatureRejected(Permanent):
    code = "CC-203"
    hint = "conductor doctor"


class VendorRefused(Permanent):
    code = "CC-204"
    hint = "conductor doctor"


class PostingRejected(Permanent):
    code = "CC-210"
    hint = "conductor journals list --state rejected"


class MappingGap(Permanent):
    code = "CC-211"
    hint = "add the role to [mapping] in conductor.toml, then: conductor run close"


class ApprovalRefused(Permanent):
    code = "CC-212"
    hint = "let a second person run: conductor journals approve --as NAME"


class RepostRefused(Permanent):
    code = "CC-214"
    hint = "conductor reconcile"


class UnknownCurrency(Permanent):
    code = "CC-213"
    hint = "conductor quarantine list"

    def __init__(self, currency: str) -> None:
        super().__init__(f"currency {currency!r} is not in ISO 4217 (R-1.2)")


class ChecksumMismatch(Permanent):
    code = "CC-220"
    hint = "restore the file from a backup, then: conductor doctor"


class CursorGap(Permanent):
    code = "CC-221"
    hint = "conductor replay --rebuild"


class BadRequest(Permanent):
    code = "CC-230"
    hint = "see /api/v1/openapi.json"


class QueryRefused(BadRequest):
    code = "CC-235"
    hint = "see docs/reference/tables.md"


class NotAuthenticated(Permanent):
    code = "CC-231"
    hint = "conductor users link NAME"


class NotAllowed(Permanent):
    code = "CC-232"
    hint = "conductor users list"


class NotFound(Permanent):
    code = "CC-233"
    hint = "look it up again: it may have another id or belong to another store"


class Conflict(Permanent):
    code = "CC-234"
    hint = "read the record again and repeat what still applies"
