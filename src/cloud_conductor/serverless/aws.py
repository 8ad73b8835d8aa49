"""AWS Lambda: the intake without a server. Handler: `cloud_conductor.serverless.aws.handler`.

The configuration is `conductor.toml` at CONDUCTOR_CONFIG; several functions run at once, so its
state belongs in PostgreSQL and its log there or in Kafka. What is taken here is conformed by the
worker that follows the log.

- an object was created (S3, EventBridge, SNS): the file is taken. A failure is raised, so that
  Lambda tries again and then hands the event to the function's failure destination.
- a batch of a queue: messages that speak of objects, or are records. Failed ones are named in
  `batchItemFailures`, so that the others are not sent again; behind the first failure of a FIFO
  queue all are named, so that the order holds. The event source mapping needs
  `ReportBatchItemFailures`.
- an HTTP request: the webhook, by the same code that takes it on a server.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.domain.errors import ConductorError, ConfigError
from cloud_conductor.domain.exports import DATASETS, Label, Unreadable
from cloud_conductor.ingest.flow_landing import LandingDeps, Looked, take_file
from cloud_conductor.ingest.landing import Taken, events_of, whole_event
from cloud_conductor.ports.clock import Clock
from cloud_conductor.serve.gateway import Door, Gateway
from cloud_conductor.serverless.notices import (
    Json,
    RecordMessage,
    Request,
    is_fifo,
    kind_of,
    objects_in,
    record_message,
    request_of,
)
from cloud_conductor.wiring import logs
from cloud_conductor.wiring.config import find_file
from cloud_conductor.wiring.house import VERIFIERS, House

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger("conductor")


class Function:
    """One configuration, opened once and kept while the function's container lives."""

    def __init__(self, path: Path) -> None:
        self.house = House(path)
        self.house.prepare()
        self._webhooks: Webhooks | None = None

    def __call__(self, event: Json) -> dict[str, Any]:
        """The answer to an event of any kind."""
        kind = kind_of(event)
        if kind == "queue":
            return self.on_queue(event)
        if kind == "http":
            return self.on_request(request_of(event))
        return msgspec.structs.asdict(self.on_objects(event))

    def on_objects(self, event: Json) -> Looked:
        """Take every object an event names; those of no [landing.*] are left alone, and logged."""
        looked = Looked()
        for bucket, key in objects_in(event):
            looked += self._take(bucket, key)
        return looked

    def on_queue(self, event: Json) -> dict[str, Any]:
        """`batchItemFailures`: messages to be sent again."""
        failures: list[str] = []
        for message in event["Records"]:
            if failures and is_fifo(message):
                failures.append(message["messageId"])
                continue
            try:
                self._message(message)
            except (ConductorError, ValueError) as error:
                failures.append(message["messageId"])
                fields = {"message_id": message["messageId"], "error": str(error)}
                log.warning("function.failed", extra={"fields": fields})
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failures]}

    def on_request(self, request: Request) -> dict[str, Any]:
        """The gateway's answer in API Gateway's words."""
        if self._webhooks is None:
            self._webhooks = Webhooks(self.house)
        return self._webhooks(request)

    def close(self) -> None:
        if self._webhooks is not None:
            self._webhooks.close()
        self.house.close()

    def _message(self, message: Json) -> None:
        record = record_message(message)
        if record is not None:
            take_record(self.house.landing_deps, record, self.house.clock)
            return
        self.on_objects({"Records": [message]})

    def _take(self, bucket: str, key: str) -> Looked:
        deps = self.house.landing_deps
        for source, landing in deps.landings.items():
            path = getattr(landing.place, "path_of", _nowhere)(bucket, key)
            file = landing.place.find(path) if path else None
            if file is not None:
                looked = take_file(deps, source, file, self.house.clock.now())
                if looked != Looked():
                    return looked
        log.warning("function.ignored", extra={"fields": {"bucket": bucket, "key": key}})
        return Looked()


class Webhooks:
    """The gateway's own application, one request at a time, on an event loop of this object."""

    def __init__(self, house: House) -> None:
        doors = {
            name: Door(
                verifier=VERIFIERS[source.vendor](),
                keys=(_signature_key(house, name).encode(),),
                url=house.notification_url(name),
            )
            for name, source in house.config.sources.items()
        }
        self._writer = GroupCommitWriter(house.event_store)
        limit = house.config.gateway.body_bytes_max
        self._app = Gateway(doors, self._writer, house.clock, body_bytes_max=limit)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._start())

    def __call__(self, request: Request) -> dict[str, Any]:
        return self._loop.run_until_complete(self._answer(request))

    def close(self) -> None:
        self._loop.run_until_complete(asyncio.to_thread(self._writer.close))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _start(self) -> None:
        self._writer.start()

    async def _answer(self, request: Request) -> dict[str, Any]:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:  # ASGI's shape
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        headers = [*request.headers]
        if not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", str(len(request.body)).encode()))
        scope = {
            "type": "http", "method": request.method, "path": request.path, "headers": headers,
            "query_string": b"",
        }  # fmt: skip
        await self._app(scope, receive, send)
        start, *bodies = sent
        return {
            "statusCode": start["status"],
            "headers": {name.decode(): value.decode() for name, value in start["headers"]},
            "body": b"".join(one.get("body", b"") for one in bodies).decode(),
            "isBase64Encoded": False,
        }


def take_record(deps: LandingDeps, record: RecordMessage, clock: Clock) -> int:
    """One record that came by a queue, into the log as if it had landed; gives new events."""
    landing = deps.landings.get(record.source)
    if landing is None or record.dataset not in DATASETS:
        raise ConfigError(f"no [landing.{record.source}] takes {record.dataset!r} from a queue")
    taken = Taken(
        source=record.source,
        path=f"{record.dataset}_{record.message_id}.json",
        url=f"sqs:{record.message_id}",
        data=record.body,
        sha256=hashlib.sha256(record.body).hexdigest(),
        label=Label(record.dataset),
        received_us=(clock.now() - EPOCH) // timedelta(microseconds=1),
        columns=landing.columns,
    )
    try:
        events = events_of(taken)
    except Unreadable:
        events = [whole_event(taken)]
    return sum(not one.duplicate for one in deps.log.append(events))


def handler(event: Json, context: object = None) -> dict[str, Any]:  # noqa: ARG001  # AWS's shape
    """What Lambda calls."""
    if not _FUNCTIONS:
        _FUNCTIONS.append(_open())
    return _FUNCTIONS[0](event)


_FUNCTIONS: list[Function] = []  # one per container, opened by the first event


def _open() -> Function:
    function = Function(find_file(None, os.environ))
    logs.configure("function", function.house.state_dir, to_stderr=True)
    return function


def _nowhere(_bucket: str, _key: str) -> None:
    """A folder has no buckets."""


def _signature_key(house: House, name: str) -> str:
    """A function never subscribes: the key is configured, or was sealed by who did."""
    reference = house.config.sources[name].signature_key
    if reference != "state:":
        return house.secret(reference, name=f"{name}.signature_key")
    known = house.sealed.get(f"{name}.signature_key")
    if known is None:
        raise ConfigError(
            f"[sources.{name}] has no subscription yet",
            hint="start conductor up once, or set signature_key to a reference",
        )
    return known
