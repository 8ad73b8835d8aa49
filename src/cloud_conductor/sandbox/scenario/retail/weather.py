"""Vendors on a bad day, all along: what goes wrong of their answers and their webhooks.

Fractions of the opportunities, as `sandbox.faults` takes them. What is slow is so in a rehearsal's
time: real waits are longer by its scale.
"""

from collections.abc import Mapping
from typing import Any

_EVERY_CALL = {"path": "/v2/", "methods": ("GET", "POST")}
SQUARE: Mapping[str, Any] = {
    "error_500_before": {"probability": 0.02, **_EVERY_CALL},
    "error_500_after": {"probability": 0.01, **_EVERY_CALL},
    "rate_limited": {"probability": 0.02, "seconds": 0, **_EVERY_CALL},
    "cut": {"probability": 0.02, **_EVERY_CALL},
    "lose_reply": {"probability": 0.02, **_EVERY_CALL},
    "slow": {"probability": 0.01, "seconds": 0.01, **_EVERY_CALL},
    "slow_reply": {"probability": 0.01, "seconds": 0.01, **_EVERY_CALL},
    "slow_body": {"probability": 0.02, "seconds": 0.02, **_EVERY_CALL},
    "expire_token": {"probability": 0.005, **_EVERY_CALL},
    "small_pages": {"probability": 0.1, "path": "/v2/"},
    "cursor_reset": {"probability": 0.1, "path": "/v2/"},
}
SHIFTING: Mapping[str, Any] = {"page_shift": {"probability": 0.2, "path": "/v2/"}}
"""Changes what is sold while it is read: no two readers can be compared meanwhile."""
WEBHOOKS: Mapping[str, Any] = {
    "drop": 0.05,
    "duplicate": 0.1,
    "delay": {"probability": 0.05, "seconds": 0.5},
    "reorder": 0.2,
    "forge": 0.03,
    "stale": 0.03,
}
XERO: Mapping[str, Any] = {
    "error_500_before": {"probability": 0.02, "path": "/api.xro"},
    "error_500_after": {"probability": 0.02, "path": "/api.xro"},
    "rate_limited": {"probability": 0.02, "seconds": 0, "path": "/api.xro"},
    "lose_reply": {"probability": 0.03, "path": "/api.xro"},
    "cut": {"probability": 0.01, "path": "/api.xro"},
    "slow_body": {"probability": 0.02, "seconds": 0.02, "path": "/api.xro"},
    "expire_token": {"probability": 0.01, "path": "/api.xro"},
}
