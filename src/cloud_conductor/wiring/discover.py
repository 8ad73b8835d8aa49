"""Ask a seller and a ledger what they have, to write a conductor.toml from it."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.ledger import xero
from cloud_conductor.adapters.pos.square import client as square
from cloud_conductor.adapters.secrets.references import resolve
from cloud_conductor.domain.config import LedgerConfig
from cloud_conductor.ports.ledger import Account
from cloud_conductor.wiring.template import Place


class _CategoryData(msgspec.Struct, frozen=True):
    name: str = ""


class _Category(msgspec.Struct, frozen=True):
    category_data: _CategoryData = _CategoryData()


class Seller(msgspec.Struct, frozen=True):
    """What the POS says of itself: its places, and the departments of its catalogue."""

    places: tuple[Place, ...]
    departments: tuple[str, ...]


def seller(base_url: str, token: str, root: Path) -> Seller:
    """Active locations and category names. token: a reference."""
    secret = resolve(token, root=root)
    clock = SystemClock()
    adapter = square.connect(base_url, lambda: secret, source="square", clock=clock)
    try:
        places = tuple(
            Place(
                location_id=str(one["id"]),
                name=str(one.get("name", "")),
                time_zone=str(one.get("timezone", "UTC")),
                currency=str(one.get("currency", "USD")),
            )
            for one in adapter.locations()
            if one.get("status", "ACTIVE") == "ACTIVE"
        )
        names = {
            msgspec.json.decode(event.body, type=_Category).category_data.name
            for page in adapter.sweep("catalog", datetime(1970, 1, 1, tzinfo=UTC), clock.now())
            for event in page
            if event.kind == "catalog_category"
        }
    finally:
        adapter.close()
    return Seller(places=places, departments=tuple(sorted(names - {""})))


def accounts(config: LedgerConfig, root: Path) -> list[Account]:
    """The ledger's chart of accounts."""
    adapter = xero.connect(
        config,
        client_id=resolve(config.client_id, root=root),
        client_secret=resolve(config.client_secret, root=root),
    )
    try:
        return adapter.accounts()
    finally:
        adapter.close()
