"""Damaged webhooks and objects through the intake route and the decoders, in one process."""

import asyncio
import base64
import hashlib
import hmac
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Any

import msgspec
from door_rig import Lines, request
from mutation import damaged, damaged_headers

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.decode import READERS, SquareDecoder
from cloud_conductor.adapters.pos.square.objects import head_of, new_object, notice_id, page_of
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.stores import Store, TaxSplit
from cloud_conductor.sandbox.scenario import golden
from cloud_conductor.sandbox.square import Seller
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server

URL = "https://cc.example.com/hooks/square"
KEY = b"fuzz-key"
TOGETHER = 250
CLIENTS = 40  # so few that they are hardly ever too many
SPLIT = TaxSplit("NYC sales tax", (("STATE", "4.000"), ("CITY", "4.500"), ("DISTRICT", "0.375")))
DUMPED = {
    "orders": "order",
    "payments": "payment",
    "refunds": "refund",
    "payouts": "payout",
    "payout_entries": "payout_entry",
    "cash_drawer_shifts": "cash_shift",
    "gift_card_activities": "gift_card_activity",
    "catalog": "catalog_item",
}


@dataclass
class Corpus:
    """Bodies of a real day. hooks: webhooks; objects: (kind, body) as the API serves them."""

    hooks: list[bytes]
    objects: list[tuple[str, bytes]]
    stores: dict[str, Store]

    @classmethod
    def of_the_golden_day(cls) -> "Corpus":
        seller = Seller()
        golden.play(seller.call, seller.state.clock.set)
        dump = seller.call("GET", "/sandbox/dump")
        objects = [
            (kind, msgspec.json.encode(one)) for name, kind in DUMPED.items() for one in dump[name]
        ]
        (place,) = seller.state.table("locations")
        store = Store(
            "NYC01", "square", place, "America/New_York", time(4), "USD", "main", (SPLIT,)
        )
        hooks = [body.encode() for _, body in seller.state.events]
        return cls(hooks, objects, {place: store})


@dataclass
class Found:
    """What came of it."""

    answers: Counter[int] = field(default_factory=Counter)
    by_door: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    stored: int = 0
    lost: int = 0
    decoded: Counter[str] = field(default_factory=Counter)


def signed(body: bytes) -> bytes:
    return base64.b64encode(hmac.digest(KEY, URL.encode() + body, "sha256"))


def fuzz_intake(folder: Path, corpus: Corpus, *, seed: int, requests: int) -> Found:
    """Send damaged webhooks to both doors in turn, mostly well signed.

    Every 200 must be in the log afterwards, and nothing else. An answer is owed to everything but
    a request whose head was damaged, which may never end (0 then).
    """
    dice = random.Random(seed)
    log = SqliteLog(folder / "log.sqlite")
    verifier = SquareVerifier()
    found = Found()

    async def one(lines: Lines, client: int) -> None:
        body = damaged(dice, corpus.hooks)
        meant = [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
            (b"x-square-hmacsha256-signature", signed(body)),
            (b"square-environment", b"Sandbox"),
            (b"content-length", str(len(body)).encode()),
        ]
        headers = damaged_headers(dice, meant)
        parts, is_damaged = request(dice, b"/hooks/square", headers, body)
        line = lines.line(client)
        answers = await line.ask(parts)
        assert answers or is_damaged or headers != meant, parts
        assert answers.count(200) <= 1
        first = answers[0] if answers else 0
        found.answers[first] += 1
        found.by_door[f"{type(line.protocol).__name__} {first}"] += 1
        if 200 in answers:
            name = verifier.envelope(body).event_id
            found.taken.add(name or f"sha256:{hashlib.sha256(body).hexdigest()}")

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(_failed)
        writer = GroupCommitWriter(log)
        writer.start()
        app = Gateway({"square": Door(verifier, (KEY,), URL)}, writer, SystemClock())
        lines = Lines(gateway_server(app, "127.0.0.1", 0).config)
        for start in range(0, requests, CLIENTS):
            clients = range(min(CLIENTS, requests - start))
            await asyncio.gather(*(one(lines, client) for client in clients))
        lines.close()
        await asyncio.to_thread(writer.close)

    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a warning for each 400
    asyncio.run(run())
    after, ids = 0, set()
    while events := log.read("0", after, 10_000):
        ids |= {event.event_id for event in events}
        after = events[-1].seq
    assert found.taken == ids, "an acknowledged event is missing, or one is there that was not"
    found.stored, found.lost = len(ids), len(found.taken - ids)
    log.close()
    return found


def _failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception that nobody waits for ends the run."""
    raise context.get("exception") or AssertionError(context)


def fuzz_decoders(corpus: Corpus, *, seed: int, bodies: int) -> Counter[str]:
    """Damaged objects and webhooks through the decoder, in batches: each in exactly one class."""
    dice = random.Random(seed)
    decoder = SquareDecoder()
    kinds = list(READERS)
    plain = [body for _, body in corpus.objects]
    outcomes: Counter[str] = Counter()
    for start in range(0, bodies, TOGETHER):
        events = []
        for seq in range(start + 1, min(start + TOGETHER, bodies) + 1):
            if dice.random() < 0.5:
                kind, whole = dice.choice(corpus.objects)
                body = damaged(dice, [whole, *dice.sample(plain, 2)])
                kind = kind if dice.random() < 0.9 else dice.choice(kinds)
                channel = "api"
            else:
                body, channel = damaged(dice, corpus.hooks), "webhook"
                kind = SquareVerifier().envelope(body).kind
            events.append(
                Event(
                    "square", channel, kind, f"e{seq}", "M1", 1_800_000_000_000_000, body, seq=seq
                )
            )
        outcomes += check_batch(decoder, events, corpus.stores)
        for event in events[:: max(1, TOGETHER // 25)]:
            read_bits(event, decoder)
    return outcomes


def check_batch(
    decoder: SquareDecoder, events: Sequence[Event], stores: dict[str, Store]
) -> Counter[str]:
    """INV-16 of a batch: rows, ignored and rejected share the events out, none twice."""
    decoded = decoder.decode(events, stores, {})
    with_rows: set[int] = set()
    for table in decoded.tables.values():
        table.validate(full=True)
        with_rows |= set(table["log_seq"].to_pylist())
    rejected = {one.seq for one in decoded.rejected}
    ignored = set(decoded.ignored)
    assert not rejected & ignored
    assert not with_rows & (rejected | ignored)
    assert all(one.findings for one in decoded.rejected)
    seqs = {event.seq for event in events}
    rowless = {event.seq for event in events if event.kind.startswith("catalog")}
    assert seqs - rowless <= with_rows | rejected | ignored <= seqs, "an event is in no class"
    counts = Counter({"rejected": len(rejected), "ignored": len(ignored)})
    counts["rows"] = len(seqs - rejected - ignored)
    return counts


def read_bits(event: Event, decoder: SquareDecoder) -> None:
    """What reads single bodies elsewhere: heads, pages, ids. Only its own error may come out."""
    decoder.named(event)
    head_of(event.body)
    notice_id(event.body)
    new_object("thing", event.body, source="s", merchant_id="M", url="u", now=SystemClock().now())
    for name in ("orders", "data"):
        try:
            page_of(event.body, name, "https://x")
        except VendorUnavailable:
            continue
