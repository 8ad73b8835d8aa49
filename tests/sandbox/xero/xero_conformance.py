"""Checks recorded exchanges with the simulator against Xero's official OpenAPI descriptions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

SPECS = Path(__file__).parents[2] / "specs" / "xero"
HOST = "https://api.xero.com"
DESCRIPTION_OF = {
    "/api.xro/2.0/": "accounting.json",
    "/finance.xro/1.0/": "finance.json",
    "/Connections": "identity.json",
}


@cache
def description(name: str) -> tuple[OpenAPI, dict[str, Any]]:
    document = json.loads((SPECS / name).read_text())
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None)), document


@dataclass
class Exchange:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer: bytes = b""


@dataclass
class Recorder:
    """ASGI middleware that keeps every exchange."""

    app: Any
    exchanges: list[Exchange] = field(default_factory=list)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode()))
        exchange = Exchange(scope["method"], scope["path"], query, headers, b"")

        async def heard():
            message = await receive()
            exchange.body += message.get("body", b"")
            return message

        async def said(message):
            exchange.status = message.get("status", exchange.status)
            exchange.answer += message.get("body", b"")
            await send(message)

        await self.app(scope, heard, said)
        if exchange.status:
            self.exchanges.append(exchange)


def check(exchange: Exchange) -> bool:
    """Whether the exchange is described officially; raises what openapi-core finds wrong in it."""
    found = [name for prefix, name in DESCRIPTION_OF.items() if exchange.path.startswith(prefix)]
    if not found:
        return False
    openapi, document = description(found[0])
    request = MockRequest(
        HOST,
        exchange.method.lower(),
        exchange.path,
        args=exchange.query,
        headers=exchange.headers,
        data=_without_defaults(exchange.body) or None,
        content_type=exchange.headers.get("content-type", "application/json"),
    )
    openapi.validate_request(request)
    if not _is_described(document, exchange):
        return False
    response = MockResponse(
        exchange.answer, status_code=exchange.status, content_type="application/json"
    )
    openapi.validate_response(request, response)
    return True


def _without_defaults(body: bytes) -> bytes:
    """The body less `HasAttachments`: the vendor's own SDK sends that read-only default along."""
    return re.sub(rb', "HasAttachments": false|"HasAttachments": false(?:, )?', b"", body)


def _is_described(document: dict[str, Any], exchange: Exchange) -> bool:
    """Statuses of the gateway (401, 403, 404, 406, 429) are in no description."""
    described = {
        status
        for item in document["paths"].values()
        for status in item.get(exchange.method.lower(), {}).get("responses", {})
    }
    return str(exchange.status) in described
