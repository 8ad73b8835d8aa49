"""How the house is set up: connections, mapping, every setting with its origin; a demo's own facts."""

from datetime import datetime
from typing import Annotated, Any, Literal

import httpx
import msgspec
from msgspec import Meta

from cloud_conductor.accounting.mapping import ROLES
from cloud_conductor.domain.errors import NotFound, VendorUnavailable
from cloud_conductor.serve import vendors
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import Endpoint, Nothing
from cloud_conductor.serve.rest.status import is_failing
from cloud_conductor.state import ingest, screens
from cloud_conductor.state.screens import Within
from cloud_conductor.wiring import config as loading

FAULT_S_MAX = 10.0


class Connection(msgspec.Struct, frozen=True):
    kind: Literal["pos", "ledger"]
    name: str
    vendor: str
    base_url: str
    state: Literal["ok", "failing", "never"]
    last_success_at: datetime | None
    last_error: str


class Setting(msgspec.Struct, frozen=True):
    """One effective value and where it came from: default, file or environment."""

    key: str
    value: str
    origin: str


class Mapped(msgspec.Struct, frozen=True):
    role: str
    account_code: str
    account_name: str | None
    used: bool


class Approval(msgspec.Struct, frozen=True):
    auto_kinds: list[str]
    auto_amount_minor_max: int


class Settings(msgspec.Struct, frozen=True):
    """mapping_gaps: roles that entries wait for (D10)."""

    connections: list[Connection]
    config: list[Setting]
    mapping: list[Mapped]
    mapping_gaps: list[str]
    approval: Approval


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault of the simulators, by the name that /demo gives it."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    on: bool = True


def settings(ask: Ask, _params: Nothing) -> Settings:
    """Connections, mapping, and every setting with where it came from."""
    house = ask.desk.house
    config = house.config
    names = ask.desk.account_names()
    used = _used_rules(ask)
    return Settings(
        connections=_connections(ask),
        config=[Setting(one.key, one.value, one.origin) for one in loading.settings(house.path)],
        mapping=[
            Mapped(role, code, names.get(code), role in used)
            for role, code in sorted(config.mapping.items(), key=_role_order)
        ],
        mapping_gaps=_gaps(ask),
        approval=Approval(
            list(config.accounting.approval.auto_kinds),
            config.accounting.approval.auto_amount_minor_max,
        ),
    )


def demo(ask: Ask, _params: Nothing) -> dict[str, Any]:
    """What whoever started this demo wrote for its console, and how its faults are switched now.

    404 when this is no demo.
    """
    found = _demo(ask)
    url = found.get("faults_url")
    return {**found, "faults": _faults(url, None)} if url else found


def _demo(ask: Ask) -> dict[str, Any]:
    found = vendors.demo(ask.desk)
    if found is None:
        raise NotFound("this is no demo", hint="conductor demo")
    return found


def fault(ask: Ask, _params: Nothing, body: Fault) -> dict[str, Any]:
    """Break something on purpose at the simulators of a demo, or mend it; gives all switches."""
    found = _demo(ask)
    url = found.get("faults_url")
    known = [one["name"] for one in found.get("faults", [])]
    if not url or body.name not in known:
        raise NotFound(f"no fault {body.name}; there are: {', '.join(known) or 'none'}")
    return {"name": body.name, "on": body.on, "faults": _faults(url, body)}


def _faults(url: str, body: Fault | None) -> list[dict[str, Any]]:
    """The switches of the simulators' panel, after one of them was turned."""
    told = None if body is None else msgspec.to_builtins(body)
    method = "GET" if body is None else "POST"
    try:
        answer = httpx.request(method, url, json=told, timeout=FAULT_S_MAX).raise_for_status()
    except httpx.HTTPError as error:
        raise VendorUnavailable(f"the simulator did not take it: {error}") from None
    faults: list[dict[str, Any]] = answer.json()["faults"]
    return faults


def _connections(ask: Ask) -> list[Connection]:
    desk = ask.desk
    config = desk.house.config
    sweeps = ingest.sweep_states(desk.worker)
    found = []
    for name, source in sorted(config.sources.items()):
        rows = [row for row in sweeps if row.source == name]
        failing = [row for row in rows if is_failing(row)]
        done = [row.last_success for row in rows if row.last_success is not None]
        state: Literal["ok", "failing", "never"] = "ok" if done else "never"
        if failing:
            state = "failing"
        error = failing[0].last_error if failing else ""
        newest = max(done) if done else None
        found.append(Connection("pos", name, source.vendor, source.base_url, state, newest, error))
    if config.ledger is not None:
        with desk.books.connect() as connection:
            posted = screens.entries(connection, Within(), states=["posted"], limit=1)
        has = bool(posted)
        found.append(
            Connection(
                "ledger",
                config.ledger.vendor,
                config.ledger.vendor,
                config.ledger.base_url,
                "ok" if has else "never",
                None,
                "",
            )
        )
    return found


def _used_rules(ask: Ask) -> set[str]:
    """Mapping rules that lines of recent entries stand under."""
    with ask.desk.books.connect() as connection:
        rows = screens.entries(connection, Within(), limit=200)
    return {line.role for row in rows for line in row.entry.lines}


def _gaps(ask: Ask) -> list[str]:
    with ask.desk.books.connect() as connection:
        rows = screens.entries(connection, Within(), states=["blocked"], limit=500)
    return sorted({line.role for row in rows for line in row.entry.lines if not line.account_code})


def _role_order(item: tuple[str, str]) -> tuple[int, str]:
    roots = [role.partition(".")[0] for role in ROLES]
    root = item[0].partition(".")[0]
    return (roots.index(root) if root in roots else len(roots), item[0])


ENDPOINTS = [
    Endpoint("GET", "/settings", settings, Settings, "settings.read"),
    Endpoint("GET", "/demo", demo, dict[str, Any]),
    Endpoint("POST", "/demo/faults", fault, dict[str, Any], "runs.start", body=Fault),
]
