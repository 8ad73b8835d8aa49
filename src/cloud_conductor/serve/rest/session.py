"""Who is signed in, what they may, and what the house is called."""

from datetime import datetime
from importlib.metadata import version

import msgspec

from cloud_conductor.domain.money import minor_exponent
from cloud_conductor.governance.access import PERMISSIONS
from cloud_conductor.serve import vendors
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import Endpoint, Nothing


class Person(msgspec.Struct, frozen=True):
    name: str
    roles: list[str]
    stores: list[str]


class Place(msgspec.Struct, frozen=True):
    """A store. cutoff: local time at which its business day begins."""

    store: str
    name: str
    time_zone: str
    cutoff: str
    currency: str
    source: str
    entity: str


class Name(msgspec.Struct, frozen=True):
    """The installation. currencies: code -> digits after the point. is_demo: GET /demo answers."""

    name: str
    stores: list[Place]
    currencies: dict[str, int]
    sources: list[str]
    ledger: str | None
    is_rehearsal: bool
    is_demo: bool
    version: str


class Session(msgspec.Struct, frozen=True):
    """masked: column classes that are hidden from this person."""

    user: Person
    permissions: list[str]
    masked: list[str]
    house: Name
    now: datetime
    server: str


def session(ask: Ask, _params: Nothing) -> Session:
    """Who is signed in, what they may, and which stores they see."""
    desk, principal = ask.desk, ask.principal
    config = desk.house.config
    places = [
        Place(
            one.store,
            one.store,
            one.time_zone,
            one.cutoff.isoformat("minutes"),
            one.currency,
            one.source,
            one.entity,
        )
        for one in desk.stores
        if principal.sees_store(one.store)
    ]
    name = Name(
        name=config.name,
        stores=places,
        currencies={code: minor_exponent(code) for code in desk.currencies},
        sources=sorted(config.sources),
        ledger=config.ledger.vendor if config.ledger else None,
        is_rehearsal=bool(config.clock.start),
        is_demo=vendors.demo(desk) is not None,
        version=version("cloud-conductor"),
    )
    return Session(
        user=Person(principal.owner, list(principal.roles), list(principal.stores)),
        permissions=[one for one in PERMISSIONS if principal.may(one)],
        masked=principal.masked,
        house=name,
        now=desk.now,
        server=desk.boot,
    )


ENDPOINTS = [Endpoint("GET", "/session", session, Session, permission="")]
