"""`conductor doctor`: everything that must hold before money moves, checked one by one."""

import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import msgspec

from cloud_conductor.cli.options import config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.wiring.house import House

FREE_BYTES_MIN = 1 << 30
DUPLICATE_DAYS = 35
NEEDED: dict[str, tuple[str, ...]] = {
    "ledger": ("mapping", "duplicates"),
    "databases": ("lake", "audit"),
}
"""Checks that ask the same again: not made when the first one failed."""


class Check(msgspec.Struct, frozen=True):
    """One line: what was looked at, whether it holds, and what fixes it."""

    name: str
    holds: bool
    found: str
    fix: str = ""


@click.command()
@config_option
@json_option
def doctor(config_path: str | None, as_json: bool) -> None:
    """Check configuration, secrets, vendors, landings, channels, mapping, disk and databases.

    Exit 4 on a failure.
    """
    from cloud_conductor.cli.output import CHECKS, emit_json
    from cloud_conductor.wiring import config as loading
    from cloud_conductor.wiring import logs
    from cloud_conductor.wiring.house import House

    path = loading.find_file(config_path)
    with House(path) as house:
        logs.configure("cli", house.state_dir, to_stderr=False)
        checks: list[Check] = []
        for name, look in _checks(house):
            unmet = [
                one.name for one in checks if name in NEEDED.get(one.name, ()) and not one.holds
            ]
            checks.append(_skipped(name, unmet[0]) if unmet else _run(name, look))
    if as_json:
        emit_json({"schema": "conductor.doctor/v1", "checks": checks})
    else:
        for check in checks:
            sign = click.style("ok  ", fg="green") if check.holds else click.style("fail", fg="red")
            click.echo(f"{sign}  {check.name:12} {check.found}")
            if not check.holds:
                click.echo(f"      Fix: {check.fix}")
    if not all(check.holds for check in checks):
        raise click.exceptions.Exit(CHECKS)


def _checks(house: "House") -> Iterator[tuple[str, Callable[[], Check]]]:
    yield "python", lambda: Check("python", holds=True, found=sys.version.split()[0])
    yield (
        "config",
        lambda: Check(
            "config",
            holds=bool(house.stores),
            found=f"{house.path}: {len(house.stores)} stores",
            fix="add a [stores.NAME] for each location, or their sales wait in quarantine",
        ),
    )
    yield "databases", lambda: _databases(house)
    yield "disk", lambda: _disk(house)
    yield "lake", lambda: _lake(house)
    for source in house.config.sources:
        yield source, lambda source=source: _source(house, source)  # type: ignore[misc]
    for name in house.config.landing:
        yield f"landing.{name}", lambda name=name: _landing(house, name)  # type: ignore[misc]
    for name in house.config.publish:
        yield f"publish.{name}", lambda name=name: _channel(house, name)  # type: ignore[misc]
    yield "ledger", lambda: _ledger(house)
    yield "mapping", lambda: _mapping(house)
    yield "audit", lambda: _audit(house)
    yield "duplicates", lambda: _duplicates(house)


def _run(name: str, look: Callable[[], Check]) -> Check:
    """A failed look is a failed check, never a traceback."""
    from cloud_conductor.domain.errors import ConductorError, VendorRefused, VendorUnavailable

    try:
        return look()
    except VendorUnavailable as error:
        fix = "check base_url in conductor.toml, and this machine's way to that host"
        return Check(name, holds=False, found=str(error), fix=fix)
    except VendorRefused as error:
        fix = "renew the credential that the reference in conductor.toml points at"
        said = error.fix if error.fix != type(error).hint else fix
        return Check(name, holds=False, found=str(error), fix=said)
    except ConductorError as error:
        return Check(name, holds=False, found=str(error), fix=error.fix)


def _skipped(name: str, unmet: str) -> Check:
    return Check(
        name, holds=False, found=f"not looked at: {unmet} failed", fix=f"mend {unmet} first"
    )


def _databases(house: "House") -> Check:
    house.prepare()
    where = "PostgreSQL" if house.database_url else str(house.state_dir)
    return Check("databases", holds=True, found=f"{where}, schema up to date")


def _disk(house: "House") -> Check:
    free = shutil.disk_usage(house.path.parent).free
    return Check(
        "disk",
        holds=free >= FREE_BYTES_MIN,
        found=f"{free >> 20} MiB free",
        fix="free at least 1 GiB where conductor.toml lies",
    )


def _source(house: "House", source: str) -> Check:
    locations = {str(one["id"]) for one in house.pos[source].locations()}
    missing = [
        s.store for s in house.stores if s.source == source and s.location_id not in locations
    ]
    return Check(
        source,
        holds=not missing,
        found=f"answers; {len(locations)} locations"
        + (f"; not there: {', '.join(missing)}" if missing else ""),
        fix="correct the location of these stores in conductor.toml",
    )


def _landing(house: "House", name: str) -> Check:
    """The place is reached, and its newest export would be taken whole. Nothing is taken."""
    from cloud_conductor.domain.errors import VendorUnavailable
    from cloud_conductor.ingest.flow_landing import look_only

    path, label = house.config.landing[name].path, f"landing.{name}"
    try:
        seen = look_only(name, house.landing_deps.landings[name])
    except VendorUnavailable as error:
        fix = f"make or mount it, or correct [{label}] path"
        return Check(label, holds=False, found=str(error), fix=fix)
    found = f"{path} is read; {seen.files} exports"
    if seen.path:
        found += f"; the newest, {seen.path}, has {seen.records} records"
    return Check(
        label,
        holds=not seen.problem,
        found=f"{found}; {seen.problem}" if seen.problem else found,
        fix=f"correct the export, or [{label}] columns; what is wrong waits in quarantine",
    )


def _channel(house: "House", name: str) -> Check:
    """Its secrets are there and it can be reached. It is told nothing."""
    from cloud_conductor.domain.errors import VendorRefused, VendorUnavailable

    label = f"publish.{name}"
    try:
        found = house.publish_deps.channels[name].queue.check()
    except VendorUnavailable as error:
        fix = f"check [{label}] url, and this machine's way to it"
        return Check(label, holds=False, found=str(error), fix=fix)
    except VendorRefused as error:
        fix = f"check [{label}] url, and that these credentials may publish to it"
        return Check(label, holds=False, found=str(error), fix=fix)
    return Check(label, holds=True, found=found)


def _ledger(house: "House") -> Check:
    locked = house.ledger.lock_date()
    found = f"answers; organisation {house.ledger.organisation()}; locked to {locked or 'no date'}"
    return Check("ledger", holds=True, found=found)


def _mapping(house: "House") -> Check:
    accounts = {account.code: account for account in house.ledger.accounts()}
    wrong = [
        f"{role} -> {code}"
        for role, code in house.config.mapping.items()
        if code not in accounts or not accounts[code].is_active
    ]
    rules = house.accounts.rules  # a role nobody knows is refused here
    misplaced = [
        f"{role} -> {code}"
        for role, code in rules.items()
        if code in accounts and (accounts[code].is_bank != (role == "bank"))
    ]
    return Check(
        "mapping",
        holds=bool(rules) and not wrong and not misplaced,
        found=f"{len(rules)} rules"
        + (f"; no active account for {', '.join(wrong)}" if wrong else "")
        + (f"; bank and other accounts mixed up: {', '.join(misplaced)}" if misplaced else ""),
        fix="correct [mapping] in conductor.toml (D10)",
    )


def _lake(house: "House") -> Check:
    from cloud_conductor.conform import flow as conform

    with house.lake_lock():
        conform.check_lake(house.conform_deps)
    return Check("lake", holds=True, found=f"whole, in {house.config.lake.path}")


def _audit(house: "House") -> Check:
    from cloud_conductor.accounting import flow

    flaw = flow.verify_audit(house.books_deps)
    return Check(
        "audit",
        holds=flaw is None,
        found="chain unbroken" if flaw is None else str(flaw),
        fix="restore the books from a backup; somebody changed them",
    )


def _duplicates(house: "House") -> Check:
    """One key on several documents of the ledger, whatever the books say of it (R-13.6, D04)."""
    from cloud_conductor.accounting import flow

    today = house.clock.now().date()
    found = flow.sweep_duplicates(
        house.books_deps, today - timedelta(days=DUPLICATE_DAYS), today + timedelta(days=1)
    )
    extra = ", ".join(document.external_id for one in found for document in one.extra)
    return Check(
        "duplicates",
        holds=not found,
        found=f"no document twice in {DUPLICATE_DAYS} days"
        if not found
        else f"entered twice: {extra}",
        fix="void these documents in the ledger (D04), then: conductor reconcile",
    )
