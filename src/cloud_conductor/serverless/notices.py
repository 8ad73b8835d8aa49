"""What AWS's events say, and nothing of what is done about it: pure.

Docs: Amazon S3 user guide "Event message structure" (keys are URL-encoded) and "Using EventBridge"
(keys are not); AWS Lambda developer guide "Using Lambda with Amazon SQS", "Reporting batch item
failures"; Amazon API Gateway developer guide "Working with AWS Lambda proxy integrations for HTTP
APIs" (payload formats 1.0 and 2.0).
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

DEPTH_MAX = 3  # S3 in SNS in SQS is the deepest that AWS nests
Json = Mapping[str, Any]


class Request(msgspec.Struct, frozen=True):
    """An HTTP request, with the bytes that were signed."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class RecordMessage(msgspec.Struct, frozen=True):
    """A queue message that is one record of an export, by its attributes `source` and `dataset`."""

    source: str
    dataset: str
    message_id: str
    body: bytes


def kind_of(event: Json) -> str:
    """`queue`, `http` or `objects`: how an event reached the function."""
    records = event.get("Records")
    if isinstance(records, list) and records and records[0].get("eventSource") == "aws:sqs":
        return "queue"
    if "requestContext" in event and ("rawPath" in event or "httpMethod" in event):
        return "http"
    return "objects"


def objects_in(event: Json) -> list[tuple[str, str]]:
    """(bucket, key) of every object an event says was created; none in a test event.

    Raises ValueError for an event that speaks of no object at all.
    """
    return list(_objects(event, DEPTH_MAX))


def record_message(message: Json) -> RecordMessage | None:
    """The record a queue message is, or None when it speaks of objects."""
    attributes = message.get("messageAttributes") or {}
    named = {name: str(one.get("stringValue", "")) for name, one in attributes.items()}
    if not named.get("source") or not named.get("dataset"):
        return None
    body = str(message["body"]).encode()
    return RecordMessage(named["source"], named["dataset"], str(message["messageId"]), body)


def is_fifo(message: Json) -> bool:
    return str(message.get("eventSourceARN", "")).endswith(".fifo")


def request_of(event: Json) -> Request:
    """The request of API Gateway or a function URL; a stage before `/hooks/` is left out."""
    context = event["requestContext"]
    method = event.get("httpMethod") or context["http"]["method"]
    path = str(event.get("rawPath") or event.get("path") or "/")
    body = str(event.get("body") or "")
    given = event.get("headers") or {}
    return Request(
        method=str(method),
        path=path[path.find("/hooks/") :] if "/hooks/" in path else path,
        headers=tuple(
            (name.lower().encode("latin-1"), str(value).encode("latin-1"))
            for name, value in given.items()
        ),
        body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
    )


def _objects(event: Json, depth: int) -> Iterator[tuple[str, str]]:
    if event.get("Event") == "s3:TestEvent":
        return
    if event.get("source") == "aws.s3" and "detail" in event:
        detail = event["detail"]
        yield detail["bucket"]["name"], detail["object"]["key"]
        return
    if "Message" in event and "TopicArn" in event:
        yield from _inside(event["Message"], depth)
        return
    records = event.get("Records")
    if not isinstance(records, list):
        raise ValueError("the event speaks of no object")  # noqa: TRY004  # the data's fault
    for record in records:
        if "s3" in record:
            if str(record.get("eventName", "")).startswith("ObjectCreated"):
                place = record["s3"]
                yield place["bucket"]["name"], unquote_plus(place["object"]["key"])
        elif "Sns" in record:
            yield from _inside(record["Sns"]["Message"], depth)
        elif "body" in record:
            yield from _inside(record["body"], depth)
        else:
            raise ValueError("a record that speaks of no object")


def _inside(text: str, depth: int) -> Iterator[tuple[str, str]]:
    """Objects of an event that travels in another one's text."""
    if depth <= 0:
        raise ValueError("events nested too deeply")
    try:
        inner = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"the message is not JSON: {error}") from None
    if not isinstance(inner, dict):
        raise ValueError("the message is not an event")  # noqa: TRY004  # the data's fault
    yield from _objects(inner, depth - 1)
