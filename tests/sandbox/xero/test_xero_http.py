"""The simulator on the wire: doors, limits, faults, state file, command."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import msgspec
import pytest
from openapi_core.exceptions import OpenAPIError
from xero_conformance import Exchange, check

from cloud_conductor.sandbox.xero import build, start

PATH = "/api.xro/2.0"
CLIENT = {"client_id": "sandbox-xero-client", "client_secret": "sandbox-xero-secret"}


def journal(narration="n", amount="10.00"):
    lines = [
        {"LineAmount": float(amount), "AccountCode": "110"},
        {"LineAmount": -float(amount), "AccountCode": "200"},
    ]
    return {
        "ManualJournals": [
            {
                "Narration": narration,
                "Date": "2026-11-21",
                "Status": "POSTED",
                "JournalLines": lines,
            }
        ]
    }


def authorize(client):
    form = {"grant_type": "client_credentials", **CLIENT}
    token = client.post("/connect/token", data=form).json()["access_token"]
    (connection,) = client.get("/connections", headers={"authorization": f"Bearer {token}"}).json()
    client.headers.update(
        {
            "authorization": f"Bearer {token}",
            "xero-tenant-id": connection["tenantId"],
            "accept": "application/json",
        }
    )


@pytest.fixture
def client(served):
    authorize(served.client)
    return served.client


def narrations(client):
    query = {"where": "Date==DateTime(2026,11,21)", "page": "1"}
    answer = client.get(f"{PATH}/ManualJournals", params=query)
    assert answer.status_code == 200
    return [one["Narration"] for one in answer.json()["ManualJournals"]]


def test_lost_reply_left_its_document_to_be_found_by_date(served, client):
    client.post("/sandbox/faults", json={"lose_reply": {"next": 1}})
    with pytest.raises(httpx.RemoteProtocolError):
        client.put(f"{PATH}/ManualJournals", json=journal("lost"))
    assert narrations(client) == ["lost"]
    (call,) = served.dump()["calls"]["writes"]
    assert call["documents"] == [served.dump()["manual_journals"][0]["id"]]


def test_server_error_before_wrote_nothing_and_after_wrote_all(served, client):
    client.post("/sandbox/faults", json={"error_500_before": {"next": 1}})
    assert client.put(f"{PATH}/ManualJournals", json=journal("before")).status_code == 500
    client.post("/sandbox/faults", json={"error_500_after": {"next": 1}})
    assert client.put(f"{PATH}/ManualJournals", json=journal("after")).status_code == 500
    client.delete("/sandbox/faults")
    assert narrations(client) == ["after"]


def test_lost_reply_with_a_key_is_replayed_when_sent_again(served, client):
    headers = {"idempotency-key": "key-1"}
    client.post("/sandbox/faults", json={"lose_reply": {"next": 1}})
    with pytest.raises(httpx.RemoteProtocolError):
        client.put(f"{PATH}/ManualJournals", json=journal("once"), headers=headers)
    again = client.put(f"{PATH}/ManualJournals", json=journal("once"), headers=headers)
    assert again.status_code == 200
    assert narrations(client) == ["once"]
    client.post("/sandbox/clock", json={"advance_s": 361})
    client.put(f"{PATH}/ManualJournals", json=journal("once"), headers=headers)
    assert narrations(client) == ["once", "once"]


def test_full_minute_answers_429_with_headers_and_opens_again(served, client):
    statuses = [client.get(f"{PATH}/Organisation").status_code for _ in range(61)]
    refused = client.get(f"{PATH}/Organisation")
    assert statuses == [200] * 60 + [429]
    assert refused.headers["x-rate-limit-problem"] == "minute"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-minlimit-remaining"] == "0"
    assert refused.headers["x-daylimit-remaining"] == str(5000 - 60)
    client.post("/sandbox/clock", json={"advance_s": 60})
    opened = client.get(f"{PATH}/Organisation")
    assert (opened.status_code, opened.headers["x-minlimit-remaining"]) == (200, "59")
    assert client.get("/sandbox/health").json()["rate_limited"] == 2


def test_sixth_request_at_once_is_refused_as_concurrent(served, client):
    client.post("/sandbox/faults", json={"slow": {"next": 6, "seconds": 0.5}})
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.get(f"{PATH}/Organisation"), range(6)))
    refused = [one for one in answers if one.status_code == 429]
    assert len(refused) == 1
    assert refused[0].headers["x-rate-limit-problem"] == "concurrent"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer nobody"}, 401),
        ({"xero-tenant-id": "00000000-0000-0000-0000-000000000000"}, 403),
        ({"accept": "*/*"}, 406),
    ],
)
def test_request_without_its_headers_is_refused(served, client, headers, status):
    assert client.get(f"{PATH}/Organisation", headers=headers).status_code == status


def test_bodies_that_cannot_be_taken_are_refused(served, client):
    path = f"{PATH}/ManualJournals"
    assert client.put(path, content=b'{"ManualJournals": [').status_code == 400
    assert client.put(path, content=b" " * 3_500_001).status_code == 413
    assert client.put(path, content=b"[1, 2]").status_code == 400
    assert served.dump()["manual_journals"] == []
    served.recorder.exchanges.clear()  # these requests are wrong on purpose


def test_amounts_are_exact_on_the_wire(served, client):
    answer = client.put(f"{PATH}/ManualJournals", json=journal(amount="0.10"))
    held = msgspec.json.Decoder(float_hook=Decimal).decode(answer.content)
    assert b'"LineAmount":0.10,' in answer.content
    assert held["ManualJournals"][0]["JournalLines"][0]["LineAmount"] == Decimal("0.10")


def test_bank_lines_loaded_are_shown_officially(served, client):
    rows = [{"bank_account_code": "090", "date": "2026-11-23", "amount": 198.98, "payee": "SQ"}]
    assert len(client.post("/sandbox/bank-lines", json=rows).json()["imported"]) == 1
    wrong = [{**rows[0], "bank_account_code": "110"}]
    assert client.post("/sandbox/bank-lines", json=wrong).status_code == 400
    (bank,) = [a for a in served.dump()["accounts"] if a["type"] == "BANK"]
    query = {"BankAccountID": bank["id"], "FromDate": "2026-11-23", "ToDate": "2026-11-23"}
    answer = client.get("/finance.xro/1.0/BankStatementsPlus/statements", params=query)
    (statement,) = answer.json()["statements"]
    assert [line["amount"] for line in statement["statementLines"]] == [198.98]
    assert served.dump()["bank_statement_lines"][0]["payee"] == "SQ"


def test_lock_and_clock_doors_set_what_documents_see(served, client):
    client.post("/sandbox/lock", json={"date": "2026-11-30"})
    refused = client.put(f"{PATH}/ManualJournals", json=journal())
    assert refused.status_code == 400
    client.post("/sandbox/lock", json={"date": None})
    client.post("/sandbox/clock", json={"now": "2026-12-24T00:00:00Z", "scale": 0})
    made = client.put(f"{PATH}/ManualJournals", json=journal()).json()["ManualJournals"][0]
    # 2026-12-24 00:00 UTC in milliseconds since 1970.
    assert made["UpdatedDateUTC"] == "/Date(1798070400000+0000)/"
    assert client.post("/sandbox/clock", json={"now": "yesterday"}).status_code == 400


def test_officially_wrong_answer_is_noticed_by_the_check(served, client):
    client.get(f"{PATH}/Organisation")
    good = served.recorder.exchanges[-1]
    assert check(good)
    answer = good.answer.replace(b'"PaysTax":true', b'"PaysTax":"yes"')
    wrong = Exchange(good.method, good.path, good.query, good.headers, b"", 200, answer)
    with pytest.raises(OpenAPIError):
        check(wrong)


def test_state_file_carries_documents_tokens_and_clock_over_a_restart(tmp_path):
    state = tmp_path / "xero.json"
    with (
        start(build(seed=3, clock="2026-11-23T15:00:00Z", clock_scale=0), state=state) as first,
        httpx.Client(base_url=first.url) as client,
    ):
        authorize(client)
        headers = dict(client.headers)
        made = client.put(f"{PATH}/ManualJournals", json=journal("kept"))
        held = client.get("/sandbox/dump").json()
    with (
        start(build(seed=3), state=state) as second,
        httpx.Client(base_url=second.url, headers=headers) as client,
    ):
        assert made.status_code == 200
        assert narrations(client) == ["kept"]
        after = client.get("/sandbox/dump").json()
        after["calls"]["counts"].pop("GET /api.xro/2.0/ManualJournals")
        assert after == held
        assert client.get("/sandbox/health").json()["now"].startswith("2026-11-23T15:00:")


def test_chart_file_replaces_the_chart(tmp_path):
    chart = tmp_path / "chart.json"
    rows = [{"code": "1000", "name": "Bank", "type": "BANK"}, ["4000", "Sales", "REVENUE"]]
    chart.write_bytes(msgspec.json.encode(rows))
    books = build(chart=chart).organisation.books
    assert [a.code for a in books.accounts.values()] == ["1000", "4000"]
    chart.write_text('[{"code": "1000"}]')
    with pytest.raises(ValueError, match="not an account"):
        build(chart=chart)


def test_command_prints_its_credentials_scale_and_address_and_stops_on_sigterm(tmp_path):
    program = (
        "from pathlib import Path; from cloud_conductor.sandbox.xero import run; "
        f"run(state=Path({str(tmp_path / 'x.json')!r}), seed=1, time_scale=60, lose_replies=1.0)"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        said = [process.stdout.readline().strip() for _ in range(4)]
        try:
            assert "secret sandbox-xero-secret" in said[1]
            assert said[2] == "time scale 60: one of Xero's minutes takes 1 s here"
            with httpx.Client(base_url=said[3].removeprefix("listening ")) as client:
                authorize(client)
                with pytest.raises(httpx.RemoteProtocolError):
                    client.put(f"{PATH}/ManualJournals", json=journal("lost"))
                assert narrations(client) == ["lost"]
                assert client.get("/sandbox/health").json()["time_scale"] == 60
        finally:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert b'"lost"' in (tmp_path / "x.json").read_bytes()
