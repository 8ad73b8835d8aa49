"""Live figures as server-sent events: one stream a page, snapshots, the latest wins.

What several viewers see alike is worked out once for all of them, every 0.5 s or, when that takes
long, less often, and sent when it has changed. One snapshot is made at a time: each takes the
interpreter from the loop that takes webhooks, and four at once would take most of it. A frame's id
is `<process>.<number>`: a viewer that comes back to the same process gets what changed since, one
that comes back to another gets everything.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from cloud_conductor.domain.errors import BadRequest, ConductorError
from cloud_conductor.governance.access import Principal
from cloud_conductor.serve.answering import Request, encoded
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest import topics
from cloud_conductor.serve.rest.endpoint import Code

log = logging.getLogger("conductor")

TICK_S = 0.5  # with the worker's 0.2 s a sale is on the screen in less than one (bench_live)
REST = 3.0  # times what a snapshot took to make: a slow one is made less often
PAUSE_S = 0.02
HEARTBEAT_S = 15.0
TOPICS_MAX = 12
STREAMS_MAX = 500
RETRY = b"retry: 1000\n\n"
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a stream shows. topics: names apart by commas."""

    topics: Annotated[str, Meta(min_length=1, max_length=200)]
    store: tuple[Code, ...] = ()
    day: date | None = msgspec.field(default=None, name="date")


class Feed:
    """One topic as one kind of viewer sees it.

    number: of its last change, 0 before the first. frame: as every viewer is sent it. due_s: when it
    is made next, by the loop's clock.
    """

    def __init__(self, topic: str, make: Callable[[], Any]) -> None:
        self.topic = topic
        self.make = make
        self.body = b""
        self.frame = b""
        self.number = 0
        self.due_s = 0.0
        self.viewers: set[asyncio.Event] = set()


class Streams:
    """All open streams of a process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._feeds: dict[Any, Feed] = {}
        self._number = 0
        self._open = 0
        self._is_closing = False
        self._opened = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    async def open(
        self, principal: Principal, request: Request, recheck: Callable[[], Principal]
    ) -> Response:
        """A stream for a caller. Raises BadRequest, NotAllowed, or Conflict when too many are open.

        recheck: who the caller is now; the stream ends when that is somebody else or nobody.
        """
        view = _view(request)
        names = _names(view)
        ask = Ask(self._desk, principal, request.source)
        scope = ask.scope(list(view.store))
        for name in names:
            principal.check(topics.TOPICS[name].permission)
        if self._open >= STREAMS_MAX:
            raise BadRequest(f"{STREAMS_MAX} streams are open")
        seen = self._seen(request.headers.get("last-event-id", ""))

        def may_go_on() -> bool:
            try:
                return recheck() == principal
            except ConductorError:
                return False

        def feeds() -> list[Feed]:
            return [self._feed(name, ask, view, scope) for name in names]

        return StreamingResponse(self._frames(feeds, seen, may_go_on), headers=HEADERS)

    async def close(self) -> None:
        """Say goodbye on every stream and stop working."""
        self._is_closing = True
        for feed in self._feeds.values():
            for viewer in feed.viewers:
                viewer.set()
        if self._working is not None:
            self._working.cancel()

    def _seen(self, last_id: str) -> int:
        boot, _, number = last_id.partition(".")
        is_ours = boot == self._desk.boot and number.isascii() and number.isdigit()
        return int(number) if is_ours else 0

    def _feed(self, name: str, ask: Ask, view: View, scope: tuple[str, ...]) -> Feed:
        """The feed that this viewer shares with all who see the same."""
        topic = topics.TOPICS[name]
        name_of_viewer = ask.principal.name if topic.is_personal else ""
        roles, stores = ask.principal.roles, ask.principal.stores
        key = (name, scope, view.day, roles, stores, name_of_viewer)
        feed = self._feeds.get(key)
        if feed is None:
            wanted = topics.View(store=list(scope), day=view.day)
            feed = self._feeds[key] = Feed(name, lambda: topic.make(ask, wanted))
        return feed

    async def _frames(
        self, shown: Callable[[], list[Feed]], seen: int, may_go_on: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        changed = asyncio.Event()
        self._open += 1
        feeds = shown()  # and at once somebody watches them
        for feed in feeds:
            feed.viewers.add(changed)
        self._opened.set()
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        sent = {feed.topic: seen for feed in feeds}
        try:
            yield RETRY
            while True:
                changed.clear()
                if self._is_closing:
                    yield _frame("bye", b'{"reason":"stopping"}')
                    return
                new = [feed for feed in feeds if feed.number > sent[feed.topic]]
                if new:
                    new.sort(key=lambda one: one.number)
                    sent |= {feed.topic: feed.number for feed in new}
                    yield b"".join([feed.frame for feed in new])
                try:
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_S)
                except TimeoutError:
                    if not await asyncio.to_thread(may_go_on):
                        yield _frame("bye", b'{"reason":"expired"}')
                        return
                    yield b": still here\n\n"
        finally:
            self._open -= 1
            for feed in feeds:
                feed.viewers.discard(changed)

    async def _work(self) -> None:
        """Make what is due, again and again while somebody watches, and say what has changed."""
        loop = asyncio.get_running_loop()
        while self._feeds and not self._is_closing:
            self._opened.clear()
            told: set[asyncio.Event] = set()
            for key, feed in list(self._feeds.items()):
                if not feed.viewers:
                    del self._feeds[key]
                    continue
                if told and not told & feed.viewers:  # whoever shows several gets them together
                    _wake(told)
                if loop.time() >= feed.due_s and await self._make(feed):
                    told |= feed.viewers
            _wake(told)
            due_s = min((feed.due_s for feed in self._feeds.values()), default=0.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), max(PAUSE_S, due_s - loop.time()))

    async def _make(self, feed: Feed) -> bool:
        """Make a snapshot in a thread; whether it has changed."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        feed.due_s = began_s + TICK_S
        try:
            body = await loop.run_in_executor(self._desk.pool, _made, feed)
        except RuntimeError:  # the pool is closed: we are leaving
            return False
        took_s = loop.time() - began_s
        feed.due_s = began_s + max(TICK_S, (1 + REST) * took_s)
        if not body or body == feed.body:
            return False
        self._number += 1
        feed.body, feed.number = body, self._number
        feed.frame = _frame(feed.topic, body, f"{self._desk.boot}.{feed.number}")
        return True


def _wake(viewers: set[asyncio.Event]) -> None:
    """Each of them looks at what is new; the set is empty then."""
    for viewer in viewers:
        viewer.set()
    viewers.clear()


def _made(feed: Feed) -> bytes:
    """The snapshot as JSON; empty when it could not be made, which the next time may mend."""
    try:
        return encoded(feed.make())
    except ConductorError as error:
        fields = {"topic": feed.topic, "error": str(error)}
        log.warning("stream.failed", extra={"fields": fields})
    except Exception:  # the stream outlives one bad pass; the log has the traceback
        log.exception("stream.failed", extra={"fields": {"topic": feed.topic}})
    return b""


def _view(request: Request) -> View:
    found: dict[str, Any] = {}
    for name, value in request.query:
        if name == "store":
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    try:
        return msgspec.convert(found, View, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from None


def _names(view: View) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in view.topics.split(",")))
    strange = [name for name in names if name not in topics.TOPICS]
    if strange or len(names) > TOPICS_MAX:
        known = ", ".join(topics.TOPICS)
        raise BadRequest(f"topics are {known}; not {', '.join(strange) or 'so many'}")
    return names


def _frame(event: str, data: bytes, identity: str = "") -> bytes:
    """One event; JSON has no line breaks of its own."""
    head = f"id: {identity}\n" if identity else ""
    return f"{head}event: {event}\ndata: ".encode() + data + b"\n\n"
