"""Who may approve an entry (R-15.3), and which entries a policy approves (R-15.4)."""

from collections.abc import Collection, Iterable

import msgspec

from cloud_conductor.domain.config import ApprovalConfig
from cloud_conductor.domain.errors import ApprovalRefused

POLICY = "policy:auto"
"""The approver's name when no person approved."""


class Candidate(msgspec.Struct, frozen=True):
    """What an approver looks at."""

    posting_key: str
    name: str
    state: str
    kind: str
    created_by: str
    mapping_version: str
    debit_minor: int


def check(candidates: Iterable[Candidate], approver: str) -> None:
    """Stop unless `approver` may approve every one of them.

    Raises ApprovalRefused for the preparer of an entry, for a nameless approver, for the policy's
    name, and for an entry that is not a draft.
    """
    if not approver.strip() or approver == POLICY:
        raise ApprovalRefused("an approver gives a name of their own (R-15.3)")
    for entry in candidates:
        if entry.state != "draft":
            raise ApprovalRefused(
                f"{entry.name} is {entry.state}: only a draft can be approved (R-13.7)",
                hint="conductor journals list",
            )
        if entry.created_by == approver:
            raise ApprovalRefused(
                f"{approver} prepared {entry.name} and cannot approve it (R-15.3)"
            )


def by_policy(
    candidates: Iterable[Candidate], policy: ApprovalConfig, posted_mappings: Collection[str]
) -> list[Candidate]:
    """Drafts that the policy approves: listed kinds, up to its amount.

    posted_mappings: mapping versions under which an entry that a person approved was posted; the
    first posting of a mapping version never passes (R-15.4).
    """
    return [
        entry
        for entry in candidates
        if entry.state == "draft"
        and entry.kind in policy.auto_kinds
        and entry.debit_minor <= policy.auto_amount_minor_max
        and entry.mapping_version in posted_mappings
    ]
