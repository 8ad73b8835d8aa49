"""When somebody is told, and how: judged by values alone."""

import msgspec
import pytest

from cloud_conductor.domain.config import AlertRoute
from cloud_conductor.governance.alerts import (
    Condition,
    judge,
    mail_text,
    routes_of,
    slack_body,
)

HOUR_US = 3_600_000_000
DEAD = Condition("dead_till", "warning", "NYC01", "2026-11-21", "No sale for 50 minutes")


def tell(known, seen, now_us, told=None):
    return judge(known, seen, now_us=now_us, last_told_us=told or {}, again_us=24 * HOUR_US)


def test_what_begins_is_told_once_and_not_at_every_look():
    first = tell([], [DEAD, DEAD], 1)
    assert len(first.told) == 1
    again = tell(first.rows, [DEAD], 2, {DEAD.alert_id: 1})
    assert (again.told, again.rows[0].times, again.rows[0].first_us) == ((), 2, 1)


def test_what_lasts_is_told_again_after_a_day_unless_somebody_took_it_on():
    (row,) = tell([], [DEAD], 1).rows
    later = 1 + 24 * HOUR_US
    assert len(tell([row], [DEAD], later, {row.alert_id: 1}).told) == 1
    taken = msgspec.structs.replace(row, state="acknowledged", acknowledged_by="ana")
    assert tell([taken], [DEAD], later, {row.alert_id: 1}).told == ()


def test_what_is_gone_resolves_and_is_told_when_it_comes_back():
    (row,) = tell([], [DEAD], 1).rows
    (gone,) = tell([row], [], 2).rows
    assert gone.state == "resolved"
    back = tell([gone], [DEAD], 3, {row.alert_id: 1})
    assert (back.rows[0].state, back.rows[0].first_us, len(back.told)) == ("open", 3, 1)
    assert tell([gone], [], 4).rows == ()


def test_what_grew_worse_is_open_again_though_somebody_took_it_on():
    (row,) = tell([], [DEAD], 1).rows
    taken = msgspec.structs.replace(row, state="acknowledged")
    worse = msgspec.structs.replace(DEAD, severity="critical")
    assert tell([taken], [worse], 2, {row.alert_id: 1}).rows[0].state == "open"


def test_two_stores_are_two_alerts_and_one_store_is_one_whatever_its_words():
    other = msgspec.structs.replace(DEAD, store="CHI01")
    longer = msgspec.structs.replace(DEAD, title="No sale for 51 minutes")
    assert DEAD.alert_id != other.alert_id
    assert DEAD.alert_id == longer.alert_id


@pytest.mark.parametrize(
    ("route", "goes"),
    [
        (AlertRoute(), True),
        (AlertRoute(kinds=("dead_till", "break")), True),
        (AlertRoute(kinds=("break",)), False),
        (AlertRoute(stores=("NYC01",)), True),
        (AlertRoute(stores=("CHI01",)), False),
        (AlertRoute(severity="critical"), False),
        (AlertRoute(severity="info"), True),
    ],
)
def test_a_route_takes_its_kinds_stores_and_severities(route: AlertRoute, goes: bool):
    (row,) = tell([], [DEAD], 1).rows
    assert routes_of(row, {"r": route}) == (["r"] if goes else [])


def test_an_alert_of_the_whole_house_goes_to_every_stores_route():
    house = Condition("freshness", "warning", "", "square order", "late")
    (row,) = tell([], [house], 1).rows
    assert routes_of(row, {"r": AlertRoute(stores=("CHI01",))}) == ["r"]


def test_words_of_others_are_no_markup_and_no_second_header():
    evil = Condition("break", "critical", "", "b", "a <!channel> & b\nBcc: x", "<http://x|y>")
    (row,) = tell([], [evil], 1).rows
    text = str(slack_body(row, "http://c/alerts/1")["text"])
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; &amp;" in text
    assert text.endswith("<http://c/alerts/1|Open in the console>")
    subject, _ = mail_text(row, "http://c")
    assert "\n" not in subject
