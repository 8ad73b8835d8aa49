import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.objects import new_object, page_of
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier, signature
from cloud_conductor.domain.events import Event
from cloud_conductor.ingest.archive import raw_files
from cloud_conductor.ingest.sweep import SweepPlan, bounds, window
from cloud_conductor.testing.log import new_event

START = datetime(2026, 1, 1, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_ingest_twice_is_once_in_any_grouping(numbers: list[int], group: int):
    """INV-14 and INV-16 at the log: received = logged + duplicates, by id set."""
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteLog(Path(folder) / "log.sqlite")
        for start in range(0, len(numbers), group):
            log.append([new_event(f"e-{n}") for n in numbers[start : start + group]])
        stored = [event.event_id for event in log.read("0", 0)]
        again = [event.event_id for _, event in log.duplicates(0)]
        log.close()
    assert stored == [f"e-{n}" for n in dict.fromkeys(numbers)]
    assert sorted(stored + again) == sorted(f"e-{n}" for n in numbers)


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=12))
def test_consecutive_sweeps_leave_no_span_uncovered(steps_s: list[int]):
    plan = SweepPlan(overlap=timedelta(minutes=5), start=START)
    watermark, now = None, START
    covered_to = START
    for step_s in steps_s:
        now += timedelta(seconds=step_s)
        since, until = window(plan, watermark, now, standing=False)
        assert START <= since <= covered_to
        assert until >= now
        covered_to = watermark = until


@given(
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(-90_000, 90_000)), min_size=1),
    st.booleans(),
)
def test_whichever_clock_is_wrong_no_change_is_taken_for_read(
    steps: list[tuple[int, int]], is_ours_wrong: bool
):
    """A change at true time t is listed by a sweep that ends after t and begins before it."""
    plan = SweepPlan(overlap=timedelta(minutes=5), start=START)
    watermark, true = None, START
    covered_to = START
    for step_s, wrong_s in steps:
        true += timedelta(seconds=step_s)
        wrong = true + timedelta(seconds=wrong_s)
        until, mark = bounds(*((wrong, true) if is_ours_wrong else (true, wrong)))
        since, until = window(plan, watermark, until, standing=False)
        assert since <= covered_to
        assert until >= true
        covered_to, watermark = true, mark


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5), st.text(max_size=20))
@settings(deadline=None)
def test_every_object_of_a_page_is_kept_byte_for_byte(objects: list[dict[str, object]], gap: str):
    """Whatever an object says, even without an id, its bytes reach the log under a stable id."""
    texts = [json.dumps(one, indent=len(gap) % 4) for one in objects]
    body = ('{"cursor": "c", "things":[ ' + " , ".join(texts) + "\n]}").encode()
    page = page_of(body, "things", "https://x")
    assert [one.decode() for one in page.objects] == texts
    for one in page.objects:
        event = new_object("thing", one, source="square", merchant_id="M", url=page.url, now=START)
        again = new_object(
            "thing", one, source="square", merchant_id="M", url="u", now=START + timedelta(days=1)
        )
        assert event.body == one
        assert event.event_id.isprintable()
        assert event.event_id == again.event_id


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=40), st.text(max_size=40))
def test_only_the_same_key_url_and_bytes_verify(body: bytes, key: bytes, url: str):
    verifier = SquareVerifier()
    headers = {b"x-square-hmacsha256-signature": signature(body, key=key, url=url)}
    assert verifier.verify(headers, body, key=key, url=url)
    assert not verifier.verify(headers, body + b"x", key=key, url=url)
    assert not verifier.verify(headers, body, key=key + b"x", url=url)
    assert not verifier.verify(headers, body, key=key, url=url + "/")
    assert not verifier.verify({}, body, key=key, url=url)


@given(st.binary(max_size=300))
def test_any_bytes_have_an_envelope(body: bytes):
    envelope = SquareVerifier().envelope(body)
    assert (envelope.event_id == "") == (envelope.kind == "malformed")


@given(
    st.lists(
        st.tuples(st.sampled_from(["square", "eu"]), st.integers(0, 3 * 86_400), st.binary()),
        min_size=1,
        max_size=20,
    )
)
@settings(deadline=None, max_examples=40)
def test_raw_files_split_by_source_and_date_and_are_the_same_each_time(
    given_events: list[tuple[str, int, bytes]],
):
    events = [
        Event(
            seq=seq,
            source=source,
            channel="api",
            kind="order",
            event_id=f"e-{seq}",
            merchant_id="M",
            received_us=1_764_000_000_000_000 + second * 1_000_000,
            body=body,
        )
        for seq, (source, second, body) in enumerate(given_events, start=1)
    ]
    files = raw_files(events, lo=1, hi=len(events))
    assert raw_files(events, lo=1, hi=len(events)) == files
    found = []
    for key, data in files.items():
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            rows = pq.ParquetFile(file.name).read().to_pylist()
        for row in rows:
            assert f"source={row['source']}/date={row['received_at'].date()}/" in key
            found.append((row["seq"], row["body"]))
    assert sorted(found) == [(event.seq, event.body) for event in events]
