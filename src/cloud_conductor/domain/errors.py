"""Everything that can go wrong outside the data, in one tree.

ConductorError                   code, hint, context
|-- Transient                    retrying may help (retry_after_s)
|   |-- RateLimited              the vendor asked us to wait
|   |-- VendorUnavailable        no answer, or a 5xx
|   |-- OutcomeUnknown           a write was sent and its answer lost: look up, never re-send blindly
|   |-- LeaseLost                another process took over
|   `-- DiskPressure             not enough space left to promise durability
`-- Permanent                    a person must act
    |-- ConfigError              conductor.toml is wrong or incomplete
    |-- MissingExtra             an optional package is not installed
    |-- SignatureRejected        a webhook was not signed with our key
    |-- VendorRefused            the vendor understood and said no (4xx)
    |-- PostingRejected          the ledger refused a document
    |-- MappingGap               a role has no ledger account (D10)
    |-- ApprovalRefused          segregation of duties (R-15.3)
    |-- UnknownCurrency          not ISO 4217 (R-1.2)
    |-- ChecksumMismatch         bytes differ from their digest
    `-- CursorGap                a table's position does not meet the log's

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
