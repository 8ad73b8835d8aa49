"""A break keeps its id and its age, and its states are rows that are only added (R-14.7, R-14.8)."""

from datetime import timedelta
from functools import partial

import msgspec
import pytest
from sqlalchemy import text

from cloud_conductor.accounting.breaks import Break
from cloud_conductor.accounting.flow import (
    BooksDeps,
    accept_break,
    assign_break,
    draft_entries,
    record_levels,
    verify_audit,
)
from cloud_conductor.accounting.levels import LevelResult, Side
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import BreakRow
from cloud_conductor.testing.ledger import DAY, make_entry
from made_breaks import record as recorded


def found(key: str = "T1", **fields: object) -> Break:
    one = Break(
        level="L3",
        code="D03",
        key=key,
        store="NYC01",
        business_date=DAY,
        amount_minor=100,
        currency="USD",
        left="19.00",
        right="18.00",
        message="the amounts differ",
    )
    return msgspec.structs.replace(one, **fields)


record = partial(recorded, level="L3")


def history(deps: BooksDeps, break_id: str = "") -> list[BreakRow]:
    with deps.engine.connect() as connection:
        return books.break_history(connection, break_id or found().id)


def states(deps: BooksDeps) -> list[str]:
    return [row.state for row in history(deps)]


def test_a_break_found_again_adds_no_row_and_keeps_its_age(deps: BooksDeps):
    record(deps, found())
    first = history(deps)
    record(deps, found())
    assert history(deps) == first
    assert states(deps) == ["open"]


def test_a_break_that_is_gone_is_resolved_then_verified(deps: BooksDeps):
    record(deps, found())
    for _ in range(3):
        record(deps)
    assert states(deps) == ["open", "resolved", "verified"]


def test_a_break_that_comes_back_is_reopened_as_a_new_row_with_its_old_age(deps: BooksDeps):
    record(deps, found())
    record(deps)
    record(deps, found())
    rows = history(deps)
    assert [row.state for row in rows] == ["open", "resolved", "open"]
    assert rows[2].detected_us == rows[0].detected_us


def test_a_changed_amount_is_a_new_state_of_the_same_break(deps: BooksDeps):
    record(deps, found())
    assign_break(deps, found().id, "ann", "ben")
    record(deps, found(amount_minor=200))
    rows = history(deps)
    assert [(row.state, row.amount_minor) for row in rows] == [
        ("open", 100),
        ("assigned", 100),
        ("assigned", 200),
    ]
    assert rows[2].owner == "ben"


def test_an_explained_break_needs_nobody(deps: BooksDeps):
    record(deps, found(code="D05", is_explained=True))
    assert [row.state for row in history(deps, found(code="D05").id)] == ["auto_explained"]


def test_an_accepted_break_stays_so_until_its_amount_changes(deps: BooksDeps):
    record(deps, found())
    accept_break(deps, found().id, "controller", "below what is worth a letter")
    record(deps, found())
    assert states(deps) == ["open", "resolved"]
    record(deps, found(amount_minor=5_000))
    assert states(deps) == ["open", "resolved", "open"]
    assert verify_audit(deps) is None


def test_accepting_needs_a_reason_and_a_break(deps: BooksDeps):
    record(deps, found())
    with pytest.raises(ConfigError, match="reason"):
        accept_break(deps, found().id, "controller", " ")
    with pytest.raises(ConfigError, match="no break"):
        accept_break(deps, "0" * 16, "controller", "why not")


def test_a_level_that_is_not_connected_changes_no_break(deps: BooksDeps):
    record(deps, found())
    record(deps, state="not_connected")
    assert states(deps) == ["open"]


def test_breaks_of_another_day_are_left_alone(deps: BooksDeps):
    record(deps, found())
    empty = LevelResult("L3", ("a", "b"), "green", Side(), Side(), 0, 0, 0, 0, ())
    record_levels(deps, "NYC01", DAY + timedelta(days=1), [empty])
    assert states(deps) == ["open"]


def test_the_last_result_of_each_level_is_kept(deps: BooksDeps):
    record(deps, found())
    record(deps)
    with deps.engine.connect() as connection:
        (row,) = books.levels(connection, "NYC01", DAY)
    assert (row.level, row.state) == ("L3", "green")
    assert msgspec.json.decode(row.payload, type=LevelResult).breaks == ()


@pytest.mark.parametrize(
    "tampering",
    [
        "delete from accounting_audit where seq = 1",
        "delete from accounting_audit where seq = 3",
        "update accounting_audit set record = replace(record, 'close', 'clone') where seq = 2",
        "update accounting_audit set seq = 9 where seq = 3",
    ],
)
def test_removing_or_editing_an_audit_record_in_the_database_is_detected(
    deps: BooksDeps, tampering: str
):
    draft_entries(deps, [make_entry(store=f"S{n}") for n in range(3)], "close")
    assert verify_audit(deps) is None
    with deps.engine.begin() as connection:
        connection.execute(text(tampering))
    assert verify_audit(deps) is not None
