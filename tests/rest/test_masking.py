"""What a role must not see is hidden behind every door: REST, stream, SQL, command line."""

from pathlib import Path

import pytest
from shop_front import Front, said

from cloud_conductor.governance.access import (
    BODY_FIELDS,
    CLASSES,
    COLUMNS,
    ROLES,
    SEES,
    Principal,
    masked_body,
    masked_everywhere,
)

SQL = {
    "cost": "select count(unit_cost) + count(cost_minor) from sale_lines",
    "card": "select count(brand) from tenders",
    "pii": "select count(customer_id) + count(employee) from sales",
}


def hidden(role: str) -> set[str]:
    return set(CLASSES) - SEES[role]


def test_every_role_has_its_word_on_every_class():
    assert set(SEES) == set(ROLES)
    assert {kind for seen in SEES.values() for kind in seen} <= set(CLASSES)
    assert set(COLUMNS.values()) | set(BODY_FIELDS.values()) == set(CLASSES)


def test_the_union_of_roles_sees_what_any_of_them_sees():
    assert Principal("user:x", "x", ("viewer",)).masked == list(CLASSES)
    assert Principal("user:x", "x", ("operator", "finance")).masked == []


@pytest.mark.parametrize("role", ROLES)
def test_a_sale_hides_its_classes(front: Front, owner, role: str):
    sale = owner.items("/receipts", limit=1)[0]["sale_id"]
    whole = owner.get(f"/sales/{sale}").json()
    assert whole["lines"][0]["unit_cost"] is not None
    with front.program([role]) as program:
        shown = program.get(f"/sales/{sale}").json()
    for part in ("lines", "tenders"):
        for row, full in zip(shown[part], whole[part], strict=True):
            for name, value in full.items():
                kind = COLUMNS.get(name)
                assert row[name] == (None if kind in hidden(role) else value), name
    assert set(shown["masked"]) >= {
        name for name, kind in COLUMNS.items() if kind in hidden(role) and name in whole["sale"]
    }


@pytest.mark.parametrize("role", ROLES)
def test_stock_hides_cost(front: Front, role: str):
    with front.program([role]) as program:
        rows = program.items("/inventory")
    costs = {row["unit_cost"] is None for row in rows if row["unit_price"]}
    assert costs == ({True} if "cost" in hidden(role) else {False})


@pytest.mark.parametrize("role", ROLES)
def test_receipts_hide_cards_and_people(front: Front, role: str):
    with front.program([role]) as program:
        answer = program.get("/receipts")
    if role not in ("operator", "finance"):
        assert answer.status_code == 403
        return
    paid = [one for row in answer.json()["items"] for one in row["tenders"]]
    assert any(one["brand"] for one in paid) is ("card" not in hidden(role))
    assert any(one["last4"] for one in paid) is ("card" not in hidden(role))
    if "pii" in hidden(role):
        assert {row["customer_id"] for row in answer.json()["items"]} == {None}


@pytest.mark.parametrize("role", ["operator", "data"])
def test_a_raw_event_hides_fields_until_it_is_revealed_with_a_reason(
    front: Front, owner, role: str
):
    payment = next(one for one in owner.items("/events", kind="payment", limit=50) if one["bytes"])
    with front.program([role]) as program:
        shown = program.get(f"/events/{payment['seq']}").json()
        revealed = program.post(f"/events/{payment['seq']}/reveal", {"reason": "dispute 12"})
        nothing = program.post(f"/events/{payment['seq']}/reveal", {"reason": ""})
    assert shown["body_masked"] is ("card" in hidden(role))
    assert ('"last_4": null' in shown["body"]) is ("card" in hidden(role))
    if role == "data":
        original = front.house.log.get([payment["seq"]])[0].body.decode()
        assert revealed.json()["body"] == original
        assert nothing.status_code == 422
        told = owner.items("/audit", act="event.revealed")[0]
        assert (told["subject"], told["reason"]) == (str(payment["seq"]), "dispute 12")
    else:
        assert revealed.status_code == 403


def test_what_is_not_json_is_hidden_whole_and_every_depth_is_reached():
    body = {"a": [{"card_details": {"card": {"last_4": "1111", "exp_year": 2030}}}], "note": "x"}
    assert masked_body(body, ["card", "pii"]) == {
        "a": [{"card_details": {"card": {"last_4": None, "exp_year": None}}}],
        "note": None,
    }


@pytest.mark.parametrize("role", ["finance", "data"])
@pytest.mark.parametrize("kind", CLASSES)
def test_sql_over_rest_sees_no_hidden_column_whatever_it_is_called(
    front: Front, role: str, kind: str
):
    with front.program([role]) as program:
        answer = program.post("/query", {"sql": SQL[kind]})
    seen = answer.json()["rows"][0][0]
    if kind in hidden(role):
        assert seen == 0
    elif kind != "pii":
        assert seen > 0


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"finance", "data"}))
def test_sql_is_not_for_everybody(front: Front, role: str):
    with front.program([role]) as program:
        assert program.post("/query", {"sql": "select 1"}).status_code == 403


@pytest.mark.parametrize("role", ["viewer", "finance"])
def test_the_command_line_sees_what_the_role_sees(front: Front, role: str):
    done = said(front, "query", SQL["cost"], "--role", role, "--format", "json")
    (row,) = done["rows"]
    assert (next(iter(row.values())) == 0) is ("cost" in hidden(role))


@pytest.mark.parametrize("role", ROLES)
def test_a_store_manager_sees_their_store_alone(front: Front, owner, role: str):
    with front.program([role], ["NYC01"]) as program:
        assert program.get("/today", store="CHI01").status_code == 403
        today = program.get("/today", date="2026-11-21").json()
        assert [one["store"] for one in today["stores"]] == ["NYC01"]
        assert {row["store"] for row in program.items("/days")} == {"NYC01"}
        assert {row["store"] for row in program.items("/breaks", state="auto_explained")} <= {
            "NYC01"
        }
        other = next(
            one
            for one in owner.items("/receipts", store="CHI01", limit=5)
            if one["state"] == "closed"
        )
        assert program.get(f"/sales/{other['sale_id']}").status_code == 404
        assert program.get(f"/trail/sale/{other['sale_id']}").status_code == 404
        if role in ("data", "operator"):
            assert program.get("/events").status_code == 403
        if role in ("finance", "data"):
            sql = "select distinct store from sales"
            assert program.post("/query", {"sql": sql}).json()["rows"] == [["NYC01"]]


def test_the_page_on_roles_lists_every_hidden_column():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "people-and-keys.md").read_text("utf-8")
    missing = [
        f"{table}.{column}"
        for table, columns in masked_everywhere().items()
        for column in columns
        if f"`{column}`" not in page
    ]
    assert missing == []
