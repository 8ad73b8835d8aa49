"""`conductor status`: what flows, what is late, what needs you."""

from typing import TYPE_CHECKING, Any

import click

from cloud_conductor.cli.options import config_option, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cloud_conductor.ingest.flow_watch import Deliveries
    from cloud_conductor.wiring.house import House

LINES_MAX = 20  # gaps listed one by one; all of them are in --json


@click.command()
@config_option
@json_option
@click.option("--watch", is_flag=True, help="Today as the console shows it, until Ctrl-C.")
def status(config_path: str | None, as_json: bool, watch: bool) -> None:
    """One screen of the whole machine; reads state only, asks no vendor."""
    if watch:
        _watch(config_path)
        return
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.cli.publish import columns
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        now = facts(house)
    if as_json:
        emit_json({"schema": "conductor.status/v1", **now})
        return
    table(
        [("role", "left"), ("state", "left"), ("where", "left")],
        [
            (role, "running" if where else "stopped", where or "-")
            for role, where in now["roles"].items()
        ],
    )
    table(
        [("source", "left"), ("received", "right"), ("processed", "right"), ("quarantined", "right"),
         ("duplicates", "right"), ("waiting", "right")],
        [
            (name, *(str(count[key]) for key in
                     ("received", "processed", "quarantined", "deduplicated", "pending")))
            for name, count in now["events"].items()
        ],
        title="events",
    )  # fmt: skip
    table(
        [("feed", "left"), ("last success", "left"), ("last failure, not over", "left")],
        [
            (one["feed"], _plain(one["last_success"]),
             f"{_plain(one['last_failure'])} {one['error']}" if one["failing"] else "-")
            for one in now["feeds"]
        ],
        title="feeds",
    )  # fmt: skip
    if now["connections"]:
        table(
            [("source", "left"), ("webhooks on time", "right"), ("late", "right"),
             ("waiting", "right"), ("lost", "right"), ("latest", "right")],
            [
                (one["source"], *(str(one[key]) for key in ("on_time", "late", "waiting", "lost")),
                 f"{one['late_s_max']:.0f} s" if one["late"] else "-")
                for one in now["connections"]
            ],
            title="webhooks against sweeps",
        )  # fmt: skip
    if now["channels"]:
        table(*columns(now["channels"]), title="channels")
    click.echo(f"store-days  {_counted(now['days'])}")
    click.echo(f"entries     {_counted(now['entries'])}")
    click.echo(f"live dates  {_counted(now['live_dates'])} (five-minute windows against facts)")
    for line in now["needs_you"]:
        click.echo(f"needs you   {line}")


def _watch(config_path: str | None) -> None:
    from cloud_conductor.cli import watching
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        watching.watch(house)


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {state.lower()}" for state, number in numbers.items()) or "none"


def facts(house: "House") -> dict[str, Any]:
    """Everything the screen shows, from state alone."""
    from collections import Counter

    import msgspec

    from cloud_conductor.cli.publish import needs as of_channels
    from cloud_conductor.conform import flow as conform
    from cloud_conductor.ingest import flow_watch as watch
    from cloud_conductor.serve.supervisor import ROLES, announced
    from cloud_conductor.state import accounting as books
    from cloud_conductor.state import publishing, screens
    from cloud_conductor.wiring.errands import entry_states

    counts = {
        name: msgspec.to_builtins(count)
        for name, count in conform.accounting_of_events(house.conform_deps).items()
    }
    with house.books.connect() as connection:
        days = Counter(row.state for row in books.days(connection))
        breaks = Counter(
            row.code for row in books.current_breaks(connection, states=screens.OPEN_BREAKS)
        )
    entries = entry_states(house)
    needs = _of_entries(entries)
    held = sum(count["quarantined"] for count in counts.values())
    needs += [f"{held} quarantined records: conductor quarantine list"] if held else []
    needs += [f"{number} breaks {code}: conductor reconcile" for code, number in breaks.items()]
    needs += _of_configuration(house)
    needs += _of_runs(house)
    connections = watch.deliveries(house.worker, house.clock.now())
    needs += _of_connections(house, connections)
    channels = publishing.channels(house.worker, house.config.publish)
    needs += of_channels(channels)
    needs += _of_landings(house)
    return {
        "roles": {role: _where(announced(house.state_dir, role)) for role in ROLES},
        "events": counts,
        "feeds": _feeds(house),
        "connections": [
            msgspec.to_builtins(one) | {"last_webhook": _instant(one.last_webhook_us)}
            for one in connections
        ],
        "channels": channels,
        "receipt_gaps": [
            msgspec.to_builtins(one) | {"count": one.count}
            for one in watch.receipt_gaps(house.worker)
        ],
        "days": dict(days),
        "entries": entries,
        "live_dates": _live_dates(house),
        "breaks": dict(breaks),
        "needs_you": needs,
    }


def _feeds(house: "House") -> list[dict[str, Any]]:
    """Every sweep that ever ran; `failing` where no success came after the last failure."""
    from cloud_conductor.state import ingest as feeds

    return [
        {
            "feed": f"{row.source} {row.kind}",
            "last_success": _said(row.last_success),
            "last_failure": _said(row.last_failure),
            "error": row.last_error,
            "failing": row.last_failure is not None
            and (row.last_success is None or row.last_failure > row.last_success),
        }
        for row in feeds.sweep_states(house.worker)
    ]


def _said(at: "datetime | None") -> str:
    return at.isoformat(timespec="seconds") if at else "never"


def _plain(instant: str) -> str:
    return instant.replace("T", " ").replace("+00:00", " UTC")


def _live_dates(house: "House") -> dict[str, int]:
    """Closed dates by how their live windows compare with the facts (INV-26)."""
    from collections import Counter

    from cloud_conductor.state import proofs

    with house.worker.connect() as connection:
        return dict(Counter(one.state for one in proofs.proofs(connection)))


def _of_runs(house: "House") -> list[str]:
    """Pipelines whose newest run failed."""
    from cloud_conductor.pipelines import engine

    found = engine.failed_now(house.books)
    return [f"{run.name} failed: {run.error or run.status}" for run in found]


def _of_entries(entries: dict[str, int]) -> list[str]:
    """Entries that wait for somebody, by state."""
    return [
        f"{entries[state]} {state} entries: conductor journals list --state {state}"
        for state in ("draft", "blocked", "rejected", "dead")
        if entries.get(state)
    ]


def _of_configuration(house: "House") -> list[str]:
    """Roles that were started before conductor.toml was changed."""
    from cloud_conductor.serve.supervisor import outdated
    from cloud_conductor.wiring.config import digest

    roles = outdated(house.state_dir, digest(house.path))
    if not roles:
        return []
    started = ", ".join(roles)
    return [f"{house.path.name} was changed after {started} started: restart conductor up"]


def _of_connections(house: "House", connections: "Sequence[Deliveries]") -> list[str]:
    """What a person should know of the sources: lost webhooks, gaps, places that changed."""
    from cloud_conductor.ingest.flow_watch import receipt_gaps
    from cloud_conductor.state.watching import notices

    lines = [
        f"{one.lost} objects of {one.source} came by sweep only, their webhooks are lost:"
        " conductor doctor"
        for one in connections
        if one.lost
    ]
    lines += [
        f"D13 {one.source} register {one.register}: receipts {one.first} to {one.last}"
        " were never seen: conductor backfill, or prove them void"
        for one in receipt_gaps(house.worker)[:LINES_MAX]
    ]
    lines += [f"{one.source} {one.subject}: {one.message}" for one in notices(house.worker)]
    return lines


def _of_landings(house: "House") -> list[str]:
    """Exports that wait for somebody to name them rightly."""
    from cloud_conductor.state import landing

    found = sum(len(landing.unknown(house.worker, name)) for name in house.config.landing)
    return [f"{found} landed files are taken by nobody: conductor landing list"] if found else []


def _instant(at_us: int) -> str:
    from cloud_conductor.state.conform import instant

    return instant(at_us).isoformat(timespec="seconds")


def _where(announcement: dict[str, object] | None) -> str:
    if announcement is None:
        return ""
    if "port" in announcement:
        return f"http://{announcement['host']}:{announcement['port']} (pid {announcement['pid']})"
    return f"pid {announcement['pid']}"
