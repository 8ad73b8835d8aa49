"""What is wrong with a record: a value, never an exception (R-3.1, D16)."""

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True):
    """One violation. `pointer` is a JSON Pointer (RFC 6901) into the original body."""

    code: str
    pointer: str
    message: str
    severity: Severity = "error"

    @property
    def group(self) -> str:
        """Records that broke the same way share a group, so one fix releases them together."""
        shape = "/".join("#" if part.isdigit() else part for part in self.pointer.split("/"))
        return f"{self.code}:{shape}"


# Finding codes of the conform room; each has a line in docs/reference/findings.md.
MALFORMED = "malformed_json"
CONTRACT = "contract"
UNKNOWN_KIND = "unknown_kind"
UNKNOWN_STORE = "unknown_store"
UNKNOWN_CURRENCY = "unknown_currency"
CURRENCY_MISMATCH = "currency_mismatch"
UNKNOWN_TENDER = "unknown_tender"
ARITHMETIC = "arithmetic"
NEGATIVE_TOTAL = "negative_total"
CLOCK_SUSPECT = "clock_suspect"
MISSING_PARENT = "missing_parent"
