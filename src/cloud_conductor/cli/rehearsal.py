"""The demo's conductor: starts the stage, the product as `conductor up`, and plays a day.

Nothing here computes a figure: it starts processes, calls the ordinary commands' functions, plants
breaks through the simulators' own APIs as a person would, and collects what the product says.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from cloud_conductor.cli import demo_truth, planting
from cloud_conductor.cli.init import write
from cloud_conductor.cli.journals import fields as entry_fields
from cloud_conductor.cli.output import say
from cloud_conductor.cli.quarantine import fields as record_fields
from cloud_conductor.cli.reconcile import fields as levels_of
from cloud_conductor.domain.errors import Transient, VendorRefused
from cloud_conductor.pipelines import reconcile as comparing
from cloud_conductor.sandbox.scenario.retail.play import Season
from cloud_conductor.wiring.template import Answers

START_S_MAX = 180.0
PLAY_S_MAX = 3_600.0
POLL_S = 0.1
OWNERS = ("mapping", "meanings", "receipts")
TRIES_MAX = 8
APPROVER = "demo-approver"
SQUARE_TOKEN = "sandbox-square-token"  # noqa: S105 - the simulator's printed default
XERO_CLIENT, XERO_SECRET = "sandbox-xero-client", "sandbox-xero-secret"
TIME_SCALE = 60.0  # one of Xero's minutes takes a second, and the limits with it
YEAR_TIME_SCALE = 1_200.0  # its documents would keep to Xero's limits for days
WEBHOOK_DAYS_MAX = 31  # beyond it sales are read from the vendor's lists, as a first sweep does
SECRETS = {
    "SQUARE_TOKEN": SQUARE_TOKEN,
    "XERO_CLIENT_ID": XERO_CLIENT,
    "XERO_CLIENT_SECRET": XERO_SECRET,
}
LAST_DAY_MARGIN = timedelta(days=2)
T = TypeVar("T")


class Plan(msgspec.Struct, frozen=True):
    """What to play. country, misbehaves: of retail; vendors have a bad day all along."""

    scenario: str
    seed: int
    stores: int
    days: int
    plants: tuple[tuple[str, str, str], ...] = ()
    is_listed: bool = False  # read from the vendor's lists however few the days are
    country: str = "US"
    misbehaves: bool = False

    @property
    def season(self) -> Season | None:
        """Of a seeded chain, which ends some days after the last sale: its stories go on."""
        if self.scenario != "retail":
            return None
        return Season(self.country, self.seed, self.stores, self.days)

    @property
    def is_real(self) -> bool:
        return self.scenario == "completejourney"

    @property
    def is_year(self) -> bool:
        """Whether it is read from the vendor's lists, stage by stage (cli.year)."""
        return self.is_real and (self.is_listed or self.days > WEBHOOK_DAYS_MAX)

    @property
    def time_scale(self) -> float:
        return YEAR_TIME_SCALE if self.is_year else TIME_SCALE

    @property
    def first_day(self) -> date:
        if self.season is not None:
            return self.season.first
        return date(2017, 1, 1) if self.is_real else date(2026, 11, 20)

    @property
    def last_day(self) -> date:
        """The last day that is played."""
        days = 2 if self.scenario == "golden" else self.days
        return self.first_day + timedelta(days=days - 1)

    @property
    def clock_start(self) -> str:
        """Some days after the last one played, so that every day has ended.

        What was sold after the processor's last cut is still in transit then (R-7.3), as no later
        payout is played.
        """
        if self.season is not None:
            return self.season.stops[-1].isoformat()
        after = self.last_day + timedelta(days=1) + LAST_DAY_MARGIN
        return f"{after.isoformat()}T12:00:00+00:00"


class Outcome(msgspec.Struct, frozen=True):
    """What the demo proved. report: the object `conductor.demo/v1`."""

    report: dict[str, Any]
    truth: dict[str, Any]
    reconciliation: comparing.Reconciliation
    entries: list[dict[str, Any]]
    timings: dict[str, float]

    @property
    def is_proven(self) -> bool:
        """Every connected level is green, or what is open was planted and found as planted."""
        if self.report["unexplained_minor"] or self.report.get("truth", {}).get("differ"):
            return False
        if any(one["found_as"] != one["kind"] for one in self.report["planted"]):
            return False
        planted = {
            (one["kind"], one["store"], one["business_date"]) for one in self.report["planted"]
        }
        return all(
            found.is_explained
            or (found.code, found.store, found.business_date.isoformat()) in planted
            for found in self.reconciliation.breaks
        )


class Stage:
    """The process that holds both simulators and the scenario."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        told = {
            "folder": str(folder),
            "scenario": plan.scenario,
            "seed": plan.seed,
            "stores": plan.stores,
            "days": plan.days,
            "plants": [{"kind": k, "store": s, "day": d} for k, s, d in plan.plants],
            "time_scale": plan.time_scale,
            "shelf": str(folder / "seller") if plan.is_year else "",
            "country": plan.country,
            "misbehaves": plan.misbehaves,
        }
        # A terminal's Ctrl-C reaches every process of its group; this one is ended by `stop`.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "cloud_conductor.sandbox.stage", json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            ready = self._until("ready")
        except BaseException:
            self.stop()
            raise
        self.square: str = ready["square"]
        self.xero: str = ready["xero"]
        self.stores: list[dict[str, Any]] = ready["stores"]
        self.owner: dict[str, Any] = {name: ready[name] for name in OWNERS}
        self.struck: dict[str, dict[str, int]] = {}

    def play(self) -> int:
        """Play the scenario; gives the number of calls it made."""
        self._say("go")
        return int(self._until("played")["calls"])

    def dump(self) -> None:
        """Write what both vendors hold, and know what struck them (`struck`)."""
        self._say("dump")
        self.struck = self._until("dumped")["struck"]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def undelivered(self) -> int:
        answer = httpx.get(
            f"{self.square}/sandbox/deliveries",
            headers={"Authorization": f"Bearer {SQUARE_TOKEN}"},
        )
        return int(answer.raise_for_status().json()["pending"])

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _until(self, event: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["event"] == event:
                return told
            say(f"  {told.get('calls', '')} calls")
        raise Transient(f"the stage ended before it was {event}", hint="conductor --debug demo")


def play(
    plan: Plan, folder: Path, then: Callable[[Outcome, Stage], object] | None = None
) -> Outcome:
    """The whole demo; leaves its files in `folder`. Processes it starts are stopped.

    then: called with the outcome while the product and the simulators still run.
    """
    from cloud_conductor.wiring import logs

    folder.mkdir(parents=True, exist_ok=True)
    timings: dict[str, float] = {}
    with _timed(timings, "start"):
        stage = Stage(plan, folder)
    try:
        os.environ |= SECRETS
        path = configure(plan, folder, stage)
        logs.configure("cli", folder / ".conductor", to_stderr=False)
        with _up(path, folder) as product:
            with _timed(timings, "start"):
                _wait_ready(folder, product)
            outcome = _perform(plan, folder, path, stage, timings)
            if then is not None:
                then(outcome, stage)
            return outcome
    finally:
        stage.stop()


def _perform(
    plan: Plan, folder: Path, path: Path, stage: Stage, timings: dict[str, float]
) -> Outcome:
    from cloud_conductor.accounting import flow
    from cloud_conductor.pipelines import close
    from cloud_conductor.wiring import errands
    from cloud_conductor.wiring.house import open_house

    with _timed(timings, "trade"):
        say("playing the sales; every one is sent as a signed webhook")
        stage.play()
        _wait_delivered(stage)
    tries = TRIES_MAX if plan.misbehaves else 1
    with open_house(str(path)) as house:
        with _timed(timings, "close"):
            say("sweeping what webhooks do not tell, closing the business days")
            # Some dates the scheduler may have closed by itself.
            _insist(lambda: errands.close_due(house), tries)
            dates = close.closed_dates(house.close_deps, since=date.min)
        with _timed(timings, "post"):
            approved = flow.approve(house.books_deps, f"user:{APPROVER}", reason="demo")
            say(f"a second person approved {len(approved)} entries; posting to the ledger")
            _insist(lambda: errands.post(house), tries)
        planted = [one for one in plan.plants if one[0] != "D16"]
        if planted:
            with planting.Ledger(stage.xero, XERO_CLIENT, XERO_SECRET) as ledger:
                for kind, store, day in planted:
                    ledger.plant(kind, store, day)
        with _timed(timings, "reconcile"):
            say("comparing six levels")
            outcome = _insist(lambda: comparing.reconcile(house.close_deps, dates), tries)
        _insist(lambda: close.catch_up(house.close_deps), tries)
        stage.dump()
        truth = json.loads((folder / "truth.json").read_text())
        entries, records = _collect(house)
        (folder / "books.json").write_bytes(msgspec.json.encode(entries))
        (folder / "quarantine.json").write_bytes(msgspec.json.encode(records))
        report = _report(house, plan, outcome, entries) | _held_against(
            plan, stage, outcome, truth, entries
        )
        (folder / "demo.json").write_bytes(msgspec.json.encode(report))
    return Outcome(report, truth, outcome, entries, timings)


def _insist(run: Callable[[], T], tries: int) -> T:
    """Do what a vendor on a bad day refused once more, as the scheduler does."""
    for _ in range(tries - 1):
        try:
            return run()
        except (VendorRefused, Transient):
            continue
    return run()


def _report(
    house: Any,
    plan: Plan,
    outcome: comparing.Reconciliation,
    entries: list[dict[str, Any]],
) -> dict[str, Any]:
    from cloud_conductor.conform import flow as conform

    counts = conform.accounting_of_events(house.conform_deps)
    by_kind: dict[str, dict[str, int]] = {}
    for entry in entries:
        states = by_kind.setdefault(entry["kind"], {})
        states[entry["state"]] = states.get(entry["state"], 0) + 1
    traded = {
        (entry["store"], entry["business_date"]) for entry in entries if entry["kind"] != "PAYOUT"
    }
    levels = levels_of(outcome)["levels"]
    for level in levels.values():
        level.pop("notes")
    return {
        "schema": "conductor.demo/v1",
        "scenario": plan.scenario,
        "seed": plan.seed,
        "events": event_counts(counts),
        "store_days": len(traded),
        "entries": by_kind,
        "levels": levels,
        "unexplained_minor": outcome.unexplained_minor,
        "planted": [_found(one, outcome) for one in plan.plants],
    }


def _held_against(
    plan: Plan,
    stage: Stage,
    outcome: comparing.Reconciliation,
    truth: Mapping[str, Any],
    entries: list[dict[str, Any]],
) -> dict[str, Any]:
    """Of a seeded chain: its entries against its truth, what its stories made, what struck."""
    if plan.season is None:
        return {}
    wanted = demo_truth.meant(truth)
    differ = demo_truth.differences(demo_truth.booked(entries), wanted)
    made = sorted({(code, store, day) for code, store, day in truth["breaks"]})
    return {
        "country": plan.country,
        "planted": [_found(one, outcome) for one in made],
        "truth": {
            "store_days": len(truth["store_days"]),
            "entries": len(wanted),
            "flows": truth["flows"],
            "differ": [" ".join(one) for one in differ],
        },
        "struck": stage.struck,
    }


def event_counts(counts: Mapping[str, Any]) -> dict[str, int]:
    """INV-16 over all sources."""
    return {
        name: sum(getattr(count, name) for count in counts.values())
        for name in ("received", "processed", "quarantined", "deduplicated")
    }


def _found(plant: tuple[str, str, str], outcome: comparing.Reconciliation) -> dict[str, Any]:
    """What the levels called a planted break: its own code, else the first open one there."""
    kind, store, day = plant
    codes = [
        found.code
        for found in outcome.breaks
        if found.store == store
        and found.business_date.isoformat() == day
        and (not found.is_explained or found.code == kind)
    ]
    found_as = kind if kind in codes else next(iter(codes), None)
    return {"kind": kind, "store": store, "business_date": day, "found_as": found_as}


def _collect(house: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    from cloud_conductor.state import accounting as books
    from cloud_conductor.state import conform as conform_state

    with house.books.connect() as connection:
        entries = [entry_fields(row) for row in books.entries(connection)]
    everywhere = (conform_state.OPEN, conform_state.RELEASED, conform_state.REPLAYED)
    records = [
        record_fields(row) for row in conform_state.quarantine(house.worker, states=everywhere)
    ]
    return entries, records


def configure(plan: Plan, folder: Path, stage: Stage) -> Path:
    """`conductor init` against the two simulators, plus what only the owner knows."""
    first = stage.stores[0]
    answers = Answers(
        square_url=stage.square,
        square_token="env:SQUARE_TOKEN",  # noqa: S106 - a reference
        notification_url="",
        xero_url=stage.xero,
        xero_identity_url="",
        xero_client_id="env:XERO_CLIENT_ID",
        xero_client_secret="env:XERO_CLIENT_SECRET",  # noqa: S106 - a reference
        bank_lines=True,
        cutoff=first["cutoff"],
        port=_free_port(),
        clock_start=plan.clock_start,
        places=(),
        cutoffs=tuple((one["store"], one["cutoff"]) for one in stage.stores),
        tax_splits=tuple(
            (one["store"], tax, tuple(parts.items()))
            for one in stage.stores
            for tax, parts in one["tax_splits"].items()
        ),
        tracking="Store" if len(stage.stores) <= 100 else "",
        calls_per_minute=int(60 * plan.time_scale),
        start_at=plan.first_day.isoformat() + "T00:00:00+00:00" if plan.is_year else "",
        only=tuple(one["location_id"] for one in stage.stores),
        mapping=tuple((role, code, "") for role, code in stage.owner["mapping"].items()),
        meanings=tuple((*what, tuple(names)) for *what, names in stage.owner["meanings"]),
        receipts=stage.owner["receipts"],
    )
    return write(folder, answers)


@contextmanager
def _up(path: Path, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`conductor up` in a process of its own, its talk in a file."""
    command = [sys.executable, "-m", "cloud_conductor.cli.main", "up", "--config", str(path)]
    with (folder / "up.log").open("wb") as talk:
        product = subprocess.Popen(command, stdout=talk, stderr=talk)  # noqa: S603 - our own argv
        try:
            yield product
        finally:
            product.send_signal(signal.SIGTERM)
            try:
                product.wait(timeout=30)
            except subprocess.TimeoutExpired:
                product.kill()
                product.wait()


def _wait_ready(folder: Path, product: "subprocess.Popen[bytes]") -> None:
    from cloud_conductor.serve.supervisor import ROLES, announced

    deadline = time.monotonic() + START_S_MAX
    while not all(announced(folder / ".conductor", role) for role in ROLES):
        if product.poll() is not None or time.monotonic() > deadline:
            talk = (folder / "up.log").read_text(errors="replace")[-2_000:]
            raise Transient(f"the product did not start:\n{talk}", hint="conductor doctor")
        time.sleep(POLL_S)


def _wait_delivered(stage: Stage) -> None:
    deadline = time.monotonic() + PLAY_S_MAX
    while (left := stage.undelivered()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    if left:
        raise Transient(f"{left} webhooks were not taken", hint="conductor logs --role gateway")


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        timings[name] = timings.get(name, 0.0) + time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
