"""Live streams: the same objects as the GETs, only what changed, resumed by either process."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from shop_front import Caller, Front, served

from cloud_conductor.governance import flow

DEADLINE_S = 20.0


@contextmanager
def stream(caller: Caller, topics: str, last_id: str = "", **params: str) -> Iterator["Frames"]:
    headers = caller.headers | ({"Last-Event-ID": last_id} if last_id else {})
    with caller.client.stream(
        "GET", "/api/v1/stream", params={"topics": topics, **params}, headers=headers
    ) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Frames(answer)


class Frames:
    """The events of a stream, one by one."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def next(self, topic: str = "") -> dict:
        """The next event, of one topic or any; its data decoded."""
        deadline = time.monotonic() + DEADLINE_S
        found: dict = {}
        for line in self._lines:
            assert time.monotonic() < deadline, "nothing came"
            name, _, value = line.partition(": ")
            if name in ("event", "id", "data"):
                found[name] = value
            elif not line:
                if found and (not topic or found["event"] == topic):
                    return found | {"data": json.loads(found["data"])}
                found = {}
        raise AssertionError("the stream ended")


def test_a_topic_is_the_object_of_its_get(owner):
    pairs = {"alerts": "/alerts", "quarantine": "/quarantine/groups", "today": "/today"}
    with stream(owner, ",".join(pairs)) as frames:
        seen = {}
        while set(seen) != set(pairs):
            frame = frames.next()
            seen[frame["event"]] = frame["data"]
    for topic, path in pairs.items():
        shown, asked = seen[topic], owner.get(path).json()
        for one in (shown, asked):
            one.pop("as_of", None)
            one.pop("freshest", None)
        assert shown == asked


def test_a_change_is_sent_and_what_did_not_change_is_not(owner):
    sku = owner.items("/inventory", limit=1)[0]["sku"]
    with stream(owner, "inventory,quarantine") as frames:
        before = frames.next("inventory")
        body = {"store": "NYC01", "lines": [{"sku": sku, "quantity": "1"}]}
        assert owner.post("/inventory/receipts", body).status_code == 200
        after = frames.next("inventory")
    assert after["data"]["seq"] > before["data"]["seq"]
    with stream(owner, "inventory,quarantine", after["id"]) as frames:
        owner.post("/inventory/receipts", body)
        assert frames.next()["event"] == "inventory"


def test_another_process_sends_everything_afresh_and_it_is_the_truth(front: Front):
    """As after a kill: ids of the old process mean nothing to the new one, and the figures stand."""
    with front.browser("owner") as browser, stream(browser, "today,inventory") as frames:
        old = frames.next("today")
    with served(front.town) as other:
        assert other.api.desk.boot != front.api.desk.boot
        with (
            other.browser("owner") as browser,
            stream(browser, "today,inventory", old["id"]) as frames,
        ):
            seen = {frames.next()["event"], frames.next()["event"]}
        assert seen == {"today", "inventory"}


def test_a_server_that_stops_says_goodbye_on_every_stream(front: Front):
    told: list[str] = []

    def watch(other: Front, ready: threading.Event) -> None:
        with other.browser("owner") as browser, stream(browser, "inventory") as frames:
            frames.next()
            ready.set()
            told.append(frames.next("bye")["data"]["reason"])

    ready = threading.Event()
    with served(front.town) as other:
        thread = threading.Thread(target=watch, args=(other, ready))
        thread.start()
        assert ready.wait(DEADLINE_S)
    thread.join(DEADLINE_S)
    assert told == ["stopping"]


def test_a_stream_hides_what_its_viewer_must_not_see(front: Front):
    with front.program(["viewer"], ["CHI01"]) as program:
        with stream(program, "today") as frames:
            stores = frames.next("today")["data"]["stores"]
        assert [one["store"] for one in stores] == ["CHI01"]
        for topics in ("journals", "quarantine", "nothing", "today,", ""):
            refused = program.get("/stream", topics=topics)
            assert refused.status_code in (403, 422), topics
        assert program.get("/stream", topics="today", store="NYC01").status_code == 403


def test_a_viewer_who_was_let_go_is_told_so(front: Front, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cloud_conductor.serve.sse.HEARTBEAT_S", 0.2)
    flow.put_user(front.api.desk.access, "test", "watcher", ["viewer"], ["*"])
    with front.browser("watcher") as browser, stream(browser, "inventory") as frames:
        frames.next("inventory")
        flow.remove_user(front.api.desk.access, "test", "watcher")
        assert frames.next("bye")["data"] == {"reason": "expired"}
