"""OpenAPI 3.1 of the REST API, generated from the types that decode and encode it."""

import functools
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from cloud_conductor.serve import rest
from cloud_conductor.serve.problems import TITLES, Problem
from cloud_conductor.serve.rest.endpoint import Endpoint

API = "/api/v1"
REFS = "#/components/schemas/{name}"
READ_FAILURES = (400, 401, 403, 404, 405, 409, 422, 429, 500, 502, 503)
WRITE_FAILURES = (*READ_FAILURES, 413, 415)
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The same act twice has the same key, and is done once.",
    "schema": {"type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[!-~]{8,128}$"},
}
DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "description": "Say what would be done, do nothing.",
    "schema": {"type": "boolean"},
}


def document() -> dict[str, Any]:
    """The whole description."""
    endpoints = rest.endpoints()
    kinds = [Problem]
    for one in endpoints:
        kinds += [kind for kind in (one.gives, one.body) if kind is not None]
    shapes, components = msgspec.json.schema_components(kinds, ref_template=REFS)
    shape_of = {repr(kind): shape for kind, shape in zip(kinds, shapes, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        place = paths.setdefault(f"{API}{one.path}", {})
        place[one.method.lower()] = _operation(one, shape_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Cloud Conductor",
            "version": version("cloud-conductor"),
            "description": "Money is an integer of minor units beside its currency; instants are "
            "UTC; lists are read page by page with `after`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": {name: _named(shape) for name, shape in sorted(components.items())},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "conductor"},
            },
        },
    }


@functools.cache
def text() -> bytes:
    """The description as JSON; the same code gives the same bytes."""
    return msgspec.json.encode(document(), order="deterministic")


def _operation(endpoint: Endpoint, shape_of: Mapping[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if endpoint.gives is not None:
        shape = shape_of[repr(endpoint.gives)]
        done["content"] = {"application/json": {"schema": shape}}
    failures = WRITE_FAILURES if endpoint.is_write else READ_FAILURES
    responses = {str(endpoint.status if endpoint.gives is not None else 204): done}
    if endpoint.previews and endpoint.status != 200:
        responses["200"] = done
    if endpoint.etag:
        responses["304"] = {"description": "As it was under the given ETag."}
    for status in failures:
        schema = {"$ref": REFS.format(name="Problem")}
        responses[str(status)] = {
            "description": TITLES[status],
            "content": {"application/problem+json": {"schema": schema}},
        }
    found: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.path.split("/")[1]],
        "parameters": _parameters(endpoint),
        "responses": responses,
    }
    if endpoint.permission:
        found["description"] = f"Needs the permission `{endpoint.permission}`."
    if endpoint.body is not None:
        shape = shape_of[repr(endpoint.body)]
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": shape}},
        }
    return found


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = msgspec.json.schema(endpoint.params)
    own = schema["$defs"][endpoint.params.__name__]
    in_path = set(re.findall(r"{(\w+)}", endpoint.path))
    found = [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path,
            "schema": {key: value for key, value in shape.items() if key != "default"},
        }
        for name, shape in own["properties"].items()
    ]
    if endpoint.is_write and endpoint.keyed:
        found.append(KEY_HEADER)
    if endpoint.previews:
        found.append(DRY_RUN)
    return found


def _named(shape: dict[str, Any]) -> dict[str, Any]:
    """Without titles: the component's name is its title."""
    return {key: value for key, value in shape.items() if key != "title"}
