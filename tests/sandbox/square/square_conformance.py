"""Square's official description as the judge of every request and answer of the tests here."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_schema_validator import OAS30ReadValidator
from referencing import Registry
from referencing.jsonschema import DRAFT4

SPEC = Path(__file__).parents[2] / "specs" / "square" / "api.json"


@cache
def description() -> dict[str, Any]:
    """The trimmed description, made strict: no object may have a field it does not know."""
    spec = json.loads(SPEC.read_bytes())
    for schema in spec["components"]["schemas"].values():
        if schema.get("properties"):
            schema.setdefault("additionalProperties", False)
    return spec


@cache
def openapi() -> OpenAPI:
    return OpenAPI.from_dict(description(), config=Config(spec_validator_cls=None))


def event_problems(event: dict[str, Any]) -> list[str]:
    """What the description of its event type has against a webhook body."""
    name = "".join(part.capitalize() for part in event["type"].replace("_", ".").split("."))
    assert f"{name}Event" in description()["components"]["schemas"]
    resource = DRAFT4.create_resource(description())
    validator = OAS30ReadValidator(
        {"$ref": f"urn:square#/components/schemas/{name}Event"},
        registry=Registry().with_resource("urn:square", resource),
    )
    return [
        f"{event['type']} {error.json_path}: {error.message}"
        for error in validator.iter_errors(event)
    ]


class Conformance(httpx.BaseTransport):
    """Sends over loopback and holds every request and answer against the description.

    Refusals are judged too: the description gives every answer an `errors` list.
    judge_requests: switched off where a test writes what only Square's own point of sale may.
    """

    def __init__(self) -> None:
        self._line = httpx.HTTPTransport()
        self.seen: list[tuple[str, str, int]] = []
        self.judge_requests = True

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._line.handle_request(request)
        response.read()
        headers = [(k, v) for k, v in response.headers.multi_items() if k != "transfer-encoding"]
        self.judge(request, response)
        return httpx.Response(response.status_code, headers=headers, content=response.content)

    def judge(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raises what openapi-core finds wrong."""
        path = request.url.path
        self.seen.append((request.method, path, response.status_code))
        if path.startswith("/sandbox/") or path == "/oauth2/authorize":  # a page, not API
            return
        asked = MockRequest(
            "http://sandbox",
            request.method.lower(),
            path,
            args=dict(request.url.params),
            headers=dict(request.headers),
            data=request.content or None,
            content_type="application/json",
        )
        if self.judge_requests and response.status_code == 200:
            openapi().validate_request(asked)
        answered = MockResponse(
            data=response.content, status_code=200, content_type="application/json"
        )
        openapi().validate_response(asked, answered)

    def close(self) -> None:
        self._line.close()
