"""`conductor status --watch`: the console's Today in a terminal, from the same answers."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from cloud_conductor.domain.money import major

if TYPE_CHECKING:
    from rich.console import Group

    from cloud_conductor.serve.rest.status import Status
    from cloud_conductor.serve.rest.today import Today
    from cloud_conductor.wiring.house import House

EVERY_S = 2.0
ROLES = ("admin", "approver", "data", "finance", "operator")


def watch(house: "House", *, every_s: float = EVERY_S) -> None:
    """Draw Today, and again every few seconds, until Ctrl-C.

    On a terminal in place; off one, each picture below the last.
    """
    from rich.live import Live

    from cloud_conductor.cli.output import screen

    console = screen()
    with suppress(KeyboardInterrupt):
        if not console.is_terminal:
            for picture in _pictures(house, every_s):
                console.print(picture)
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for picture in _pictures(house, every_s):
                live.update(picture, refresh=True)


def _pictures(house: "House", every_s: float) -> Iterator["Group"]:
    from cloud_conductor.governance.access import Principal
    from cloud_conductor.serve.desk import Ask, Desk
    from cloud_conductor.serve.rest.endpoint import Nothing
    from cloud_conductor.serve.rest.status import status
    from cloud_conductor.serve.rest.today import Day, today

    desk = Desk(house)
    me = Principal("user:terminal", "terminal", ROLES)
    try:
        while True:
            ask = Ask(desk, me)
            yield picture(today(ask, Day()), status(ask, Nothing()))
            time.sleep(every_s)
    finally:
        desk.close()


def picture(now: "Today", machine: "Status") -> "Group":
    """Figures, stores, and what waits for somebody, as one thing to draw."""
    from rich.console import Group
    from rich.text import Text

    from cloud_conductor.cli.output import drawn

    head = Text(f"Today  {now.business_date:%a %-d %b}", style="bold")
    head.append(f"   {_lag(machine)}   {_time(now.as_of)} UTC", style="dim")
    stores = drawn(
        [("store", "left"), ("net sales", "right"), ("", "left"), ("sales", "right"),
         ("last sale", "right"), ("till", "left"), ("open breaks", "right"), ("day", "left")],
        [
            (one.store, major(one.net_minor, one.currency), one.currency, str(one.orders),
             _time(one.last_sale_at), f"no sale {one.silent_min} min" if one.is_dead_till else "",
             str(one.open_breaks or "-"), one.day_state.lower())
            for one in now.stores
        ],
    )  # fmt: skip
    needs = [Text(f"needs you   {one.text}") for one in now.needs_you]
    if machine.outdated_roles:
        roles = ", ".join(machine.outdated_roles)
        needs.insert(0, Text(f"restart     conductor.toml was changed after {roles} started"))
    return Group(
        head, Text(), _figures(now, machine), Text(), stores, Text(),
        *(needs or [Text("nothing waits for you", style="dim")]),
    )  # fmt: skip


def _figures(now: "Today", machine: "Status") -> "Group":
    from rich.console import Group
    from rich.text import Text

    ledger, proof, entries, live = now.ledger, machine.proof, now.journals, machine.live_proof
    of = f" of {ledger.business_date}" if ledger.business_date else ""
    named = f", named {', '.join(proof.codes)}" if proof.codes else ""
    net = major(now.sales.net_minor, now.currency)
    difference = major(ledger.difference_minor, now.currency)
    unexplained = major(proof.unexplained_minor, proof.currency)
    fresh = now.freshest
    lines = [
        ("net sales", f"{net} {now.currency} in {now.sales.orders} sales"),
        ("till against ledger", f"{difference}{of} ({_words(ledger.state)})"),
        ("entries", f"{entries.posted} of {entries.total} posted, {entries.waiting} wait"),
        ("freshest event", f"{fresh.age_s:.0f} s ago, {fresh.source}" if fresh else "none yet"),
        ("live against books", f"{live.alike} dates alike, {live.unlike} not"),
        ("proof", f"unexplained {unexplained}{named} ({_words(proof.state)})"),
    ]
    return Group(*(Text(f"{name:<21}{value}") for name, value in lines))


def _lag(machine: "Status") -> str:
    if machine.health == "down":
        return "down"
    behind = f", {machine.lag_s:.0f} s behind" if machine.lag_s and machine.lag_s >= 1 else ""
    return f"{'live' if machine.health == 'ok' else 'late'}{behind}"


def _words(state: str) -> str:
    return state.replace("_", " ")


def _time(instant: datetime | None) -> str:
    return f"{instant:%H:%M}" if instant else "-"
