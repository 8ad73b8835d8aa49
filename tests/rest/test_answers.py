"""What the API answers: one number behind every door, pages without gaps, writes done once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop_front import DAYS, Front, said
from sqlalchemy import text

from cloud_conductor.domain.errors import QueryRefused
from cloud_conductor.serve.openapi import document
from cloud_conductor.serve.rest import looking
from cloud_conductor.wiring.query import run_query

NET_SALES = (
    "select sum(l.net_minor) as net from sale_lines l join sales s"
    " using (source, merchant_id, sale_id, business_date)"
    " where s.state = 'closed' and l.is_sale"
)


def test_net_sales_is_one_number_over_rest_command_line_and_sql(front: Front, owner):
    span = {"from": "2026-11-20", "to": "2026-11-21"}
    over_rest = owner.get("/metrics/net-sales", **span).json()["total"]["net_minor"]
    by_store = owner.get("/metrics/net-sales", by="store", **span).json()["rows"]
    pages = [owner.get("/today", date=str(day)).json() for day in DAYS]
    sql = f"{NET_SALES} and s.business_date between '2026-11-20' and '2026-11-21'"
    asked = said(
        front, "metrics", "net-sales", "--from", "2026-11-20", "--to", "2026-11-21", "--json"
    )
    answers = {
        over_rest,
        sum(row["net_minor"] for row in by_store),
        sum(page["sales"]["net_minor"] for page in pages),
        sum(one["net_minor"] for page in pages for one in page["stores"]),
        sum(
            owner.get(f"/trail/net_sales/{store}:{day}").json()["subject"]["amount_minor"]
            for store in ("NYC01", "CHI01")
            for day in DAYS
        ),
        owner.post("/query", {"sql": sql}).json()["rows"][0][0],
        asked["rows"][0]["net_minor"],
        said(front, "query", sql, "--format", "json")["rows"][0]["net"],
    }
    assert len(answers) == 1
    assert answers.pop() > 0


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("/journals", "key"), ("/breaks?state=auto_explained&state=open", "id"), ("/events", "seq"),
        ("/inventory", "sku"), ("/receipts", "sale_id"), ("/audit", "seq"),
    ],
)  # fmt: skip
def test_pages_of_any_size_give_every_item_once_and_in_order(owner, path: str, identity: str):
    place, _, query = path.partition("?")
    fixed = [tuple(pair.split("=")) for pair in query.split("&") if pair]

    def walk(limit: int) -> list:
        found, after = [], ""
        for _ in range(500):
            params = [*fixed, ("limit", limit), *([("after", after)] if after else [])]
            page = owner.client.get(f"/api/v1{place}", params=params).json()
            found += [one[identity] for one in page["items"]]
            after = page["next"]
            if after is None:
                return found
        raise AssertionError("the pages do not end")

    whole = walk(500)
    assert len(whole) == len(set(whole)) > 5
    assert walk(9) == whole
    assert walk(25) == whole


@pytest.mark.parametrize("path", ["/journals", "/events", "/inventory", "/receipts", "/audit"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(after=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40))
def test_a_place_that_no_page_gave_is_not_found(owner, path: str, after: str):
    assert owner.get(path, after=after).status_code == 404


def test_a_write_with_the_same_key_is_done_once_and_answered_alike(owner):
    sku = owner.items("/inventory", limit=1)[0]["sku"]
    body = {"store": "NYC01", "lines": [{"sku": sku, "quantity": "5"}], "reference": "PO 7"}
    before = owner.get(f"/inventory/{sku}").json()
    first = owner.post("/inventory/receipts", body, key="same-key-1")
    again = owner.post("/inventory/receipts", body, key="same-key-1")
    other = owner.post("/inventory/receipts", body | {"reference": "PO 8"}, key="same-key-1")
    after = owner.get(f"/inventory/{sku}").json()
    assert first.json() == again.json()
    assert again.headers["idempotent-replay"] == "true"
    assert other.status_code == 409
    assert float(after["on_hand"]) - float(before["on_hand"]) == 5


def test_many_at_once_under_one_key_move_stock_once(owner):
    sku = owner.items("/inventory", limit=1)[0]["sku"]
    body = {"store": "NYC01", "reason": "found", "lines": [{"sku": sku, "quantity": "2"}]}
    before = float(owner.get(f"/inventory/{sku}").json()["on_hand"])
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: owner.post("/inventory/adjustments", body, key="burst-key-1").status_code,
                range(8),
            )
        )
    assert set(answers) <= {200, 409}
    assert 200 in answers
    assert float(owner.get(f"/inventory/{sku}").json()["on_hand"]) - before == 2


def test_a_write_without_a_key_is_refused(owner):
    answer = owner.client.post("/api/v1/journals/approve", json={"keys": ["x"]})
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


def test_a_secret_is_shown_once_even_to_the_same_request(owner):
    body = {"name": "once", "roles": ["viewer"], "stores": ["*"]}
    first = owner.post("/keys", body, key="secret-key-1")
    again = owner.post("/keys", body, key="secret-key-1")
    assert first.json()["key"].startswith("cc_live_")
    assert again.status_code == 409
    assert "cc_live_" not in again.text


def test_no_secret_is_kept_in_the_books(front: Front, owner):
    made = owner.post("/keys", {"name": "hidden", "roles": ["viewer"], "stores": ["*"]}).json()
    secret = made["key"].rpartition("_")[2]
    cookie = next(iter(dict(owner.client.cookies).values()))
    raw = b"".join(
        (front.house.state_dir / name).read_bytes()
        for name in ("books.sqlite", "books.sqlite-wal")
        if (front.house.state_dir / name).exists()
    )
    assert secret.encode() not in raw
    assert cookie.encode() not in raw


def test_what_did_not_change_is_not_sent_again(owner):
    sku = owner.items("/inventory", limit=1)[0]["sku"]
    for path in (f"/inventory/{sku}", f"/prices/{sku}"):
        first = owner.get(path)
        tag = first.headers["etag"]
        again = owner.client.get(f"/api/v1{path}", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    owner.post("/inventory/receipts", {"store": "NYC01", "lines": [{"sku": sku, "quantity": "1"}]})
    moved = owner.client.get(f"/api/v1/inventory/{sku}", headers={"If-None-Match": tag})
    assert moved.status_code == 200


def test_a_journal_is_held_back_approved_and_never_by_its_preparer(front: Front, owner):
    key = owner.items("/journals", state="draft", limit=1)[0]["key"]
    with front.browser("finance") as finance:
        assert finance.post("/journals/approve", {"keys": [key]}).status_code == 403
    held = owner.post("/journals/reject", {"keys": [key], "reason": "look at the tip"})
    assert held.json() == {"rejected": [key]}
    shown = owner.get(f"/journals/{key[:10]}").json()
    assert (shown["state"], shown["error"]) == ("blocked", "declined by owner: look at the tip")
    assert owner.post("/journals/approve", {"keys": [key]}).json()["code"] == "CC-212"
    assert owner.post("/journals/redraft", {"keys": [key]}).json() == {"drafted": [key]}
    with front.house.books.begin() as connection:
        mine = {"by": "user:owner", "key": key}
        connection.execute(
            text("update accounting_entry set created_by = :by where posting_key = :key"), mine
        )
    refused = owner.post("/journals/approve", {"keys": [key]})
    assert (refused.status_code, refused.json()["code"]) == (403, "CC-212")
    assert owner.get(f"/journals/{key}").json()["why_not"] == "you prepared it (R-15.3)"
    with front.browser("approver") as approver:
        assert approver.post("/journals/approve", {"keys": [key]}).json() == {"approved": [key]}
    told = [one["act"] for one in owner.get(f"/journals/{key}").json()["history"]]
    assert told[:4] == ["entry.approved", "entry.draft", "entry.declined", "entry.draft"]


def test_the_facts_under_a_line_sum_to_it_and_lead_to_raw_events(owner):
    """INV-17, and the trail: a journal line, its facts, their raw events, and back."""
    entry = owner.items("/journals", kind="SALES", limit=1)[0]
    whole = owner.get(f"/journals/{entry['key']}").json()
    assert whole["is_balanced"]
    assert whole["debit_total_minor"] == whole["credit_total_minor"] == entry["debit_minor"]
    for line in whole["lines"]:
        steps = owner.get(f"/trail/entry/{entry['key']}", line=line["n"]).json()["steps"]
        rows = next(step for step in steps if step["step"] == "rows")
        assert rows["total_minor"] == line["amount_minor"]
        assert sum(one["amount_minor"] for one in rows["items"]) == line["amount_minor"]
    events = next(step for step in steps if step["step"] == "events")["items"]
    back = owner.get(f"/trail/event/{events[0]['id']}").json()["steps"]
    entries = {one["id"] for step in back if step["step"] == "entry" for one in step["items"]}
    assert entry["key"] in entries


def test_anything_is_found_by_a_part_of_its_id(owner):
    sale = owner.items("/receipts", limit=1)[0]["sale_id"]
    entry = owner.items("/journals", limit=1)[0]["key"]
    sku = owner.items("/inventory", limit=1)[0]["sku"]
    for asked, kind, identity in (
        (sale[:12], "sale", sale), (entry[:9], "entry", entry), (sku, "sku", sku), ("5", "event", "5"),
    ):  # fmt: skip
        found = owner.items("/find", q=asked if len(asked) > 1 else "05")
        assert (kind, identity) in {(one["kind"], one["id"]) for one in found}, asked


def test_a_receipt_is_found_by_amount_and_card(front: Front, owner):
    some = next(
        row
        for row in owner.items("/receipts", limit=50)
        if row["tenders"] and row["tenders"][0]["last4"]
    )
    found = owner.items(
        "/receipts",
        amount_minor=some["total_minor"],
        last4=some["tenders"][0]["last4"],
        date=some["business_date"],
    )
    assert some["sale_id"] in {row["sale_id"] for row in found}
    assert owner.items("/receipts", amount_minor=some["total_minor"], last4="0000") == []


def test_a_break_is_given_to_somebody_and_accepted_with_a_reason(front: Front, owner):
    some = owner.items("/breaks", state="auto_explained", limit=1)[0]
    assert owner.post(f"/breaks/{some['id']}/assign", {"owner": "ana"}).json()["owner"] == "ana"
    done = owner.post(f"/breaks/{some['id']}/accept", {"reason": "agreed by phone"}).json()
    assert done["state"] == "proposed"
    assert owner.post(f"/breaks/{some['id']}/accept", {"reason": "again"}).status_code == 409
    with front.browser("approver") as another:
        assert another.post(f"/breaks/{some['id']}/approve", {}).status_code == 200
    shown = owner.get(f"/breaks/{some['id']}").json()
    assert [one["state"] for one in shown["history"]][-3:] == ["assigned", "proposed", "resolved"]
    assert shown["explain"]["what"]


def test_an_event_is_found_by_its_id_however_old_it_is(front: Front, owner, monkeypatch):
    first = front.house.log.read("0", 0, 1)[0]
    monkeypatch.setattr(looking, "EVENTS_BACK", 0)
    (hit,) = [one for one in owner.items("/find", q=first.event_id) if one["kind"] == "event"]
    assert hit["id"] == str(first.seq)
    assert owner.items("/find", q=first.event_id[:-1]) == []


def test_the_audit_chain_tells_when_a_record_was_touched(front: Front, owner):
    assert owner.get("/audit/verify").json()["ok"]
    with front.house.books.begin() as connection:
        old = connection.execute(text("select record from accounting_audit where seq = 2")).scalar()
        spoil = text(
            "update accounting_audit set record = replace(record, 'at', 'AT') where seq = 2"
        )
        connection.execute(spoil)
    told = owner.get("/audit/verify").json()
    assert (told["ok"], "record 2 was edited" in told["flaw"]) == (False, True)
    with front.house.books.begin() as connection:
        mend = text("update accounting_audit set record = :old where seq = 2")
        connection.execute(mend, {"old": old})
    assert owner.get("/audit/verify").json()["ok"]


def test_a_query_cannot_write_read_files_or_run_for_ever(front: Front, owner):
    for sql in (
        "copy sales to '/tmp/x.csv'",
        "select * from read_csv('/etc/passwd')",
        "create table x as select 1",
        "select 1; select 2",
        "set enable_external_access = true",
        "attach '/tmp/x.db'",
        "select * from '/etc/passwd'",
    ):
        assert owner.post("/query", {"sql": sql}).status_code == 422, sql


def test_a_query_that_runs_too_long_is_stopped(front: Front):
    endless = "select count(*) from range(100000000000) a, range(1000000000) b"
    with pytest.raises(QueryRefused, match=r"more than 0\.2 s"):
        run_query(front.api.desk.lake, endless, s_max=0.2)


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/today"), ("POST", "/today"), ("PUT", "/users")]
)
def test_another_method_is_told_which_ones_there_are(owner, method: str, path: str):
    answer = owner.client.request(method, f"/api/v1{path}", json={})
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


def test_every_list_has_the_same_shape_and_every_write_its_key_in_the_description():
    found = document()
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            names = {one["name"] for one in operation["parameters"]}
            if "after" in names:
                assert "limit" in names, path
            if method in ("put", "delete"):
                assert "Idempotency-Key" in names, path
    assert found["openapi"] == "3.1.0"
