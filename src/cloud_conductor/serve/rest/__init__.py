"""The REST API: one module per place of the console; each names its endpoints in ENDPOINTS."""

from importlib import import_module

from cloud_conductor.serve.rest.endpoint import Endpoint

PLACES = (
    "session",
    "status",
    "today",
    "reconciling",
    "settling",
    "journals",
    "looking",
    "stock",
    "stock_acts",
    "customers",
    "events",
    "quarantining",
    "pipelines",
    "people",
    "alerting",
    "settings",
    "review",
    "live",
    "proving",
    "sql",
)


def endpoints() -> list[Endpoint]:
    """Every endpoint, in the order of the places."""
    found: list[Endpoint] = []
    for name in PLACES:
        found += import_module(f"cloud_conductor.serve.rest.{name}").ENDPOINTS
    return found
