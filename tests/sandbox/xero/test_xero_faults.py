"""What the simulated organisation does wrong on demand is what was asked for, and nothing else."""

import httpx
import pytest
from test_xero_http import PATH, authorize, journal

from cloud_conductor.sandbox.faults import WEBHOOK_FAULTS
from cloud_conductor.sandbox.xero import build, start

LIST = {"where": "Date>=DateTime(2026,11,1) AND Date<DateTime(2026,12,1)", "order": "Date ASC"}


@pytest.fixture
def plain():
    """Client that no description judges: what comes is wrong on purpose."""
    with start(build()) as running, httpx.Client(base_url=running.url) as client:
        authorize(client)
        for number in range(7):
            client.put(f"{PATH}/ManualJournals", json=journal(f"n{number}")).raise_for_status()
        yield client


def page(client: httpx.Client, number: int) -> tuple[list[str], int]:
    """Narrations of a page, and how many there are on all pages."""
    asked = {**LIST, "page": number, "pageSize": 1000}
    answer = client.get(f"{PATH}/ManualJournals", params=asked).raise_for_status().json()
    told = answer["pagination"]
    return [one["Narration"] for one in answer["ManualJournals"]], told["itemCount"]


@pytest.mark.parametrize("kind", ["cursor_reset", *WEBHOOK_FAULTS])
def test_what_has_nothing_to_strike_here_is_refused_in_words(plain: httpx.Client, kind: str):
    answer = plain.post("/sandbox/faults", json={kind: 0.5})
    assert answer.status_code == 400
    assert "nothing to strike here" in answer.json()["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"slow": {"seconds": "x", "probability": 1}},
        {"slow": {"seconds": -1, "probability": 1}},
        {"slow": 7},
        {"slow": -0.1},
        {"slow": "x"},
        {"slow": True},
        {"slow": None},
        {"slow": [1]},
        {"slow": {"next": 1.5}},
        {"slow": {"next": -1}},
        {"slow": {"path": 7}},
        {"slow": {"methods": "GET"}},
        {"slow": {"methods": ["FETCH"]}},
        {"slow": {"chance": 1}},
        {"nonsense": 1},
        {"drift": {"pointer": "/a"}},
        {"drift": ["/a"]},
        {"drift": [{"pointer": 7, "change": "drop"}]},
        {"drift": [{"change": "drop"}]},
        {"drift": [{"pointer": "/a", "change": "drop", "every": "x"}]},
        [1],
        "slow",
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_and_harms_nobody(plain: httpx.Client, wrong):
    answer = plain.post("/sandbox/faults", json=wrong)
    assert (answer.status_code, bool(answer.json()["message"])) == (400, True)
    assert plain.get("/sandbox/faults").json()["planned"] == {}
    assert plain.get(f"{PATH}/Organisation").status_code == 200


def test_a_plan_that_is_not_json_is_refused(plain: httpx.Client):
    assert plain.post("/sandbox/faults", content=b"{").status_code == 400


def test_small_pages_are_small_from_the_first_to_the_last(plain: httpx.Client):
    plain.post("/sandbox/faults", json={"small_pages": {"next": 1}}).raise_for_status()
    pages = [page(plain, number)[0] for number in (1, 2, 3)]
    assert pages == [["n0", "n1", "n2"], ["n3", "n4", "n5"], ["n6"]]
    assert len(page(plain, 1)[0]) == 7


def test_a_page_begins_a_row_sooner_and_then_a_row_later(plain: httpx.Client):
    plan = {"small_pages": 1, "page_shift": {"next": 2}}
    plain.post("/sandbox/faults", json=plan).raise_for_status()
    assert page(plain, 1) == (["n0", "n1", "n2"], 7)
    assert page(plain, 2) == (["n2", "n3", "n4"], 8)
    assert page(plain, 3) == (["n6"], 7)
    struck = plain.get("/sandbox/faults").json()["struck"]
    assert struck == {"small_pages": 1, "page_shift": 2}
