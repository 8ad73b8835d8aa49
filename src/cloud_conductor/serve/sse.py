"""Live figures as server-sent events: one stream a page, snapshots, the latest wins.

What several viewers see alike is worked out once a second for all of them, and sent when it has
changed. A frame's id is `<process>.<number>`: a viewer that comes back to the same process gets
what changed since, one that comes back to another gets everything.
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

TICK_S = 1.0
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
    """One topic as one kind of viewer sees it. number: of its last change, 0 before the first."""

    def __init__(self, topic: str, make: Callable[[], Any]) -> None:
        self.topic = topic
        self.make = make
        self.body = b""
        self.number = 0
        self.viewers: set[asyncio.Event] = set()
        self.task: asyncio.Task[None] | None = None


class Streams:
    """All open streams of a process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._feeds: dict[Any, Feed] = {}
        self._number = 0
        self._open = 0
        self._is_closing = False

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
        feeds = [self._feed(name, ask, view, scope) for name in names]
        seen = self._seen(request.headers.get("last-event-id", ""))

        def may_go_on() -> bool:
            try:
                return recheck() == principal
            except ConductorError:
                return False

        return StreamingResponse(self._frames(feeds, seen, may_go_on), headers=HEADERS)

    async def close(self) -> None:
        """Say goodbye on every stream and stop working."""
        self._is_closing = True
        for feed in self._feeds.values():
            for viewer in feed.viewers:
                viewer.set()
            if feed.task is not None:
                feed.task.cancel()

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
        self, feeds: list[Feed], seen: int, may_go_on: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        changed = asyncio.Event()
        self._open += 1
        for feed in feeds:
            feed.viewers.add(changed)
            if feed.task is None or feed.task.done():
                feed.task = asyncio.create_task(self._work(feed))
        sent = {feed.topic: seen for feed in feeds}
        try:
            yield RETRY
            while True:
                changed.clear()
                if self._is_closing:
                    yield _frame("bye", b'{"reason":"stopping"}')
                    return
                for feed in sorted(feeds, key=lambda one: one.number):
                    if feed.number > sent[feed.topic]:
                        sent[feed.topic] = feed.number
                        yield _frame(feed.topic, feed.body, f"{self._desk.boot}.{feed.number}")
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

    async def _work(self, feed: Feed) -> None:
        """Make the snapshot once a second while somebody watches, and say when it has changed."""
        loop = asyncio.get_running_loop()
        while feed.viewers and not self._is_closing:
            began = loop.time()
            with contextlib.suppress(RuntimeError):  # the pool is closed: we are leaving
                body = await loop.run_in_executor(self._desk.pool, _made, feed)
                if body and body != feed.body:
                    self._number += 1
                    feed.body, feed.number = body, self._number
                    for viewer in feed.viewers:
                        viewer.set()
            await asyncio.sleep(max(0.05, TICK_S - (loop.time() - began)))
        for key in [key for key, one in self._feeds.items() if one is feed]:
            del self._feeds[key]


def _made(feed: Feed) -> bytes:
    """The snapshot as JSON; empty when it could not be made, which the next second may mend."""
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
