"""When a demo may say `proven`: nothing open but what was planted, where it was planted."""

from datetime import date
from typing import Any

import pytest

from cloud_conductor.accounting.breaks import Break
from cloud_conductor.cli.rehearsal import Outcome
from cloud_conductor.pipelines.reconcile import Reconciliation

PLANT = {"kind": "D03", "store": "NYC01", "business_date": "2026-11-21", "found_as": "D03"}


def found(**changed: Any) -> Break:
    given: dict[str, Any] = {
        "level": "L6",
        "code": "D03",
        "key": "SALES",
        "store": "NYC01",
        "business_date": date(2026, 11, 21),
        "amount_minor": 100,
        "currency": "USD",
        "left": "",
        "right": "",
        "message": "",
    }
    return Break(**(given | changed))


def is_proven(*breaks: Break, planted: list[dict[str, Any]], unexplained_minor: int = 0) -> bool:
    report = {"planted": planted, "unexplained_minor": unexplained_minor}
    return Outcome(report, {}, Reconciliation((), (), breaks), [], {}).is_proven


def test_a_planted_break_found_as_planted_is_proven():
    assert is_proven(found(), planted=[PLANT])
    assert is_proven(planted=[])
    assert is_proven(found(code="D05", is_explained=True), planted=[])


@pytest.mark.parametrize(
    "changed",
    [{"code": "D01"}, {"store": "CHI01"}, {"business_date": date(2026, 11, 20)}],
    ids=["another code", "another store", "another day"],
)
def test_an_open_break_that_nobody_planted_is_not_proven(changed: dict[str, Any]):
    assert not is_proven(found(), found(**changed), planted=[PLANT])


@pytest.mark.parametrize("found_as", [None, "D01"])
def test_a_planted_break_that_was_not_found_is_not_proven(found_as: str | None):
    assert not is_proven(planted=[PLANT | {"found_as": found_as}])


def test_a_cent_without_a_code_is_not_proven():
    assert not is_proven(planted=[], unexplained_minor=1)
