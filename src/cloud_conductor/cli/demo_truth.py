"""Entries held against the truth of a scenario: what was meant, worked out by nobody of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

Lines = dict[tuple[str, str, str], dict[str, int]]
"""(store, business date, kind) -> signed minor units per role, `role:movement` where it has one."""


def booked(entries: Sequence[Mapping[str, Any]]) -> Lines:
    """All versions of the books' entries added up, wildcard rules under their first word."""
    found: Lines = {}
    for entry in entries:
        amounts = found.setdefault((entry["store"], entry["business_date"], entry["kind"]), {})
        for line in entry["lines"]:
            role = line["role"].removesuffix(".*")
            role = f"{role}:{line['movement']}" if line["movement"] else role
            amounts[role] = amounts.get(role, 0) + line["amount_minor"]
    return {key: {r: a for r, a in lines.items() if a} for key, lines in found.items()}


def meant(truth: Mapping[str, Any]) -> Lines:
    """The same of a scenario's truth, less what a plant keeps out."""
    found: Lines = {}
    for sign, rows in ((1, truth["store_days"]), (-1, truth.get("planted", ()))):
        for row in rows:
            for entry in row.get("entries", ()):
                amounts = found.setdefault((row["store"], row["business_date"], entry["kind"]), {})
                for role, amount in entry["lines"].items():
                    amounts[role] = amounts.get(role, 0) + sign * amount
    left = {key: {r: a for r, a in lines.items() if a} for key, lines in found.items()}
    return {key: lines for key, lines in left.items() if lines}


def differences(
    ours: Lines, theirs: Lines
) -> dict[tuple[str, str, str], dict[str, tuple[int, int]]]:
    """What is booked otherwise than meant: role -> (booked, meant); empty when all is equal."""
    found: dict[tuple[str, str, str], dict[str, tuple[int, int]]] = {}
    for key in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(key, {}), theirs.get(key, {})
        wrong = {
            role: (left.get(role, 0), right.get(role, 0))
            for role in sorted(left.keys() | right.keys())
            if left.get(role, 0) != right.get(role, 0)
        }
        if wrong:
            found[key] = wrong
    return found
