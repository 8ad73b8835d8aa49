"""A seeded month of a small chain through the whole path in one process, held against its truth.

The seller trades up to a stop, the house sweeps and closes what is due there and posts it, and so
on: late sales, refunds and declines meet days that are in the ledger already (§13).
"""

import base64
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from event_sets import event_sets
from house_rig import Town, open_breaks
from month_storm import Storm
from month_weather import Weather

from cloud_conductor.cli import demo_truth, rehearsal
from cloud_conductor.conform import flow as conform
from cloud_conductor.conform.span import span_facts
from cloud_conductor.domain.errors import Transient, VendorRefused
from cloud_conductor.pipelines.reconcile import Reconciliation
from cloud_conductor.sandbox import http, xero
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario.retail import owner
from cloud_conductor.sandbox.scenario.retail.book import bank_lines
from cloud_conductor.sandbox.scenario.retail.play import Game, Season, tax_splits
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator
from cloud_conductor.wiring.house import House
from cloud_conductor.wiring.template import Answers, Place, render

RUNS_MAX = 8
APPLICATION = "a-chain's-application"
TOKEN = 'token = "env:SQUARE_TOKEN"'
OAUTH_PKCE = """client_id = "env:SQUARE_CLIENT_ID"
refresh_token = "env:SQUARE_REFRESH_TOKEN"
"""
OAUTH = OAUTH_PKCE + 'client_secret = "env:SQUARE_CLIENT_SECRET"'
T = TypeVar("T")


@dataclass
class Month:
    """A season being played beside a house that lives with it."""

    game: Game
    seller: Seller
    organisation: Any
    path: Path
    xero_url: str
    house: House
    storm: Storm | None = None
    weather: Weather | None = None
    wrong: list[str] = field(default_factory=list)
    banked: set[str] = field(default_factory=set)

    @property
    def town(self) -> Town:
        """The house and the ledger as other tests see them."""
        return Town(self.seller, self.game.truth(), self.house, self.xero_url)

    def live(self) -> None:
        """Play the whole season, closing and posting at every stop."""
        for number, stop in enumerate(self.game.season.stops):
            self.game.advance(stop)
            if stop == self.game.season.stops[-1]:
                self.game.advance()
            self.bank()
            self.wake(stop)
            if self.weather is not None:
                self.weather.before(number, self.house, self.again)
            if self.storm is not None:
                self.storm.blow(self.house)
            self.again(self.town.close_due)
            assert self.posted() <= {"posted", "blocked"}
            if self.weather is not None:
                compare = partial(self.again, self.town.reconcile)
                self.wrong += self.weather.after(number, self.house, compare)

    def posted(self) -> set[str]:
        """States of the entries when all that may be sent was: what a run left is the next one's."""
        for _ in range(RUNS_MAX):
            states = set(self.again(self.town.post))
            if "pending" not in states:
                break
        return states

    def again(self, run: Callable[[], T]) -> T:
        """Do what a vendor refused once more, as the scheduler does."""
        for _ in range(RUNS_MAX - 1):
            try:
                return run()
            except (VendorRefused, Transient):
                continue
        return run()

    def wake(self, now: datetime) -> None:
        """Let the house wake up at an instant, as a new process would."""
        self.house.close()
        (self.house.state_dir / "rehearsal-began").unlink(missing_ok=True)
        told = self.path.read_text()
        begin = told.index('start = "') + len('start = "')
        end = told.index('"', begin)
        self.path.write_text(told[:begin] + now.isoformat() + told[end:])
        self.house = House(self.path)

    def bank(self) -> None:
        """Let the bank have what was paid out and banked since the last time."""
        text = self.game.season.place.text
        lines = [
            line
            for line in bank_lines(self.game.truth(), text)
            if (key := str(sorted(line.items()))) not in self.banked and not self.banked.add(key)
        ]
        httpx.post(f"{self.xero_url}/sandbox/bank-lines", json=lines).raise_for_status()


@contextmanager
def open_month(
    folder: Path,
    season: Season,
    *,
    faults: dict[str, Any] | None = None,
    ledger_faults: dict[str, Any] | None = None,
) -> Iterator[Month]:
    """Fresh simulators and a house for them, before the first sale.

    faults: what the POS's own answers suffer (`sandbox.faults`); with any, webhooks come in a
    storm too. ledger_faults: what the ledger's suffer.
    """
    seller = Seller(Settings(seed=season.seed, country=season.country), clock=SandboxClock(scale=0))
    game = Game(seller.call, seller.set_clock, season)
    is_pkce = season.seed % 2 == 1
    books = xero.build(
        seed=season.seed, time_scale=rehearsal.TIME_SCALE, currency=season.place.currency
    )
    with (
        pytest.MonkeyPatch.context() as patch,
        http.start(simulator(seller, token=DEFAULT_TOKEN)) as square,
        xero.start(books) as ledger,
    ):
        patch.setenv("SQUARE_CLIENT_ID", APPLICATION)
        patch.setenv("SQUARE_CLIENT_SECRET", APPLICATION)
        patch.setenv("SQUARE_REFRESH_TOKEN", consented(square.url, is_pkce=is_pkce))
        patch.setenv("XERO_CLIENT_ID", rehearsal.XERO_CLIENT)
        patch.setenv("XERO_CLIENT_SECRET", rehearsal.XERO_SECRET)
        path = folder / "conductor.toml"
        told = render(_answers(game, square.url, ledger.url))
        path.write_text(told.replace(TOKEN, OAUTH_PKCE if is_pkce else OAUTH))
        month = Month(game, seller, books, path, ledger.url, House(path))
        month.house.prepare()
        if faults is not None:
            seller.state.faults.plan(faults)
            month.storm = Storm(seller, random.Random(season.seed))
            month.weather = Weather(seller, season.seed, season.stops)
        if ledger_faults is not None:
            books.faults.plan(ledger_faults)
        try:
            yield month
        finally:
            month.house.close()


def consented(square_url: str, *, is_pkce: bool) -> str:
    """The refresh token that a seller's consent in the browser gives."""
    verifier = "v" * 64
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    query = {"client_id": APPLICATION, "redirect_uri": "http://127.0.0.1/back"}
    if is_pkce:
        query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    sent_to = httpx.get(f"{square_url}/oauth2/authorize", params=query).headers["location"]
    proof = {"code_verifier": verifier} if is_pkce else {"client_secret": APPLICATION}
    grant = {"client_id": APPLICATION, "grant_type": "authorization_code", **proof}
    grant["code"] = httpx.URL(sent_to).params["code"]
    answer = httpx.post(f"{square_url}/oauth2/token", json=grant).raise_for_status()
    return str(answer.json()["refresh_token"])


def _answers(game: Game, square_url: str, xero_url: str) -> Answers:
    season = game.season
    return Answers(
        square_url=square_url,
        square_token="env:SQUARE_TOKEN",
        notification_url="",
        xero_url=xero_url,
        xero_identity_url="",
        xero_client_id="env:XERO_CLIENT_ID",
        xero_client_secret="env:XERO_CLIENT_SECRET",
        bank_lines=True,
        cutoff="00:00",
        port=1,
        clock_start=season.stops[0].isoformat(),
        places=tuple(
            Place(
                location_id=till.location_id,
                name=till.store,
                time_zone=till.place.time_zone,
                currency=season.place.currency,
            )
            for till in game.tills.values()
        ),
        mapping=tuple((role, code, "") for role, code in owner.mapping(game.places).items()),
        meanings=owner.meanings(),
        receipts=owner.RECEIPTS,
        tax_splits=tuple(
            (place.store, name, tuple(split.items()))
            for place in game.places
            for name, split in tax_splits(place).items()
        ),
        tracking="Store",
        calls_per_minute=int(60 * rehearsal.TIME_SCALE),
        cutoffs=tuple(
            (place.store, place.cutoff.isoformat(timespec="minutes")) for place in game.places
        ),
    )


def differences(month: Month) -> dict[tuple[str, str, str], dict[str, tuple[int, int]]]:
    """What the books have otherwise than meant: role -> (booked, meant)."""
    wanted = demo_truth.meant(month.game.truth())
    return demo_truth.differences(demo_truth.booked(month.town.entries()), wanted)


def assert_every_event_is_accounted_for(month: Month) -> None:
    """INV-16: received = processed + quarantined + deduplicated, by count and by id set."""
    deps = month.house.conform_deps
    (count,) = conform.accounting_of_events(deps).values()
    counted = count.processed + count.quarantined + count.deduplicated
    assert (count.received, count.pending) == (counted, 0), count
    sets = event_sets(month.house)
    assert not sets.lost, sets.lost
    assert sets.processed | sets.quarantined == sets.received >= set(sets.deduplicated)
    assert (len(sets.processed), len(sets.quarantined)) == (count.processed, count.quarantined)
    assert len(sets.deduplicated) == count.deduplicated
    held = Counter(event.event_id for event in _events(month) if event.channel == "webhook")
    sent = month.storm.sent if month.storm is not None else Counter()
    assert held == Counter(set(sent)), "what was delivered is held once, and nothing else is"
    if month.storm is not None:
        assert month.storm.answers == {200: sum(sent.values()), 401: month.storm.forged}
        known = {event_id for event_id, times in sent.items() if times > 1}
        again = {event.event_id for event in _duplicates(month)}
        assert known <= again


def _events(month: Month) -> Iterator[Any]:
    log = month.house.log
    for partition in log.partitions():
        after = 0
        while page := log.read(partition, after, 5_000):
            yield from page
            after = page[-1].seq


def _duplicates(month: Month) -> Iterator[Any]:
    after = 0
    while page := month.house.log.duplicates(after):
        yield from (event for _, event in page)
        after = page[-1][0]


def facts_of(month: Month) -> dict[tuple[str, str], Counter[str]]:
    """Figures of each (store, business date) from the facts the entries are made of."""
    lake = month.house.lake
    tables = span_facts(lake, sorted({*lake.dates("sales"), *lake.dates("tenders")}))
    found: dict[tuple[str, str], Counter[str]] = {}

    def add(row: Mapping[str, Any], name: str, amount: int | None) -> None:
        key = (row["store"], row["business_date"].isoformat())
        found.setdefault(key, Counter())[name] += amount or 0

    closed = {row["sale_id"] for row in tables["sales"].to_pylist() if row["state"] == "closed"}
    sold: set[str] = set()
    for row in tables["sale_lines"].to_pylist():
        if row["sale_id"] not in closed:
            continue
        if row["is_sale"]:
            add(row, "discounts", row["discount_minor"])
            add(row, "cogs", row["cost_minor"])
            sign, name = (1, "gross_sales") if row["event"] == "sale" else (-1, "returns")
            add(row, name, sign * row["gross_minor"])
            if row["event"] == "sale" and row["sale_id"] not in sold:
                sold.add(row["sale_id"])
                add(row, "orders", 1)
        elif row["line_kind"] in OWED:
            add(row, OWED[row["line_kind"]], row["gross_minor"])
    for row in tables["sales"].to_pylist():
        add(row, "tips", row["tip_minor"])
        add(row, "cash_rounding", row["rounding_minor"])
    for row in tables["sale_taxes"].to_pylist():
        add(row, "tax", row["amount_minor"])
    for row in tables["sale_services"].to_pylist():
        add(row, "gratuities" if row["is_gratuity"] else "service", row["amount_minor"])
    named = {row["tender_id"] for row in tables["sale_tenders"].to_pylist()}
    for row in tables["tenders"].to_pylist():
        amount = row["amount_minor"] + (row["tip_minor"] or 0)
        if row["state"] == "failed" and row["tender_id"] in named:
            add(row, "tender_uncollected", amount)
        elif row["state"] == "captured" or (row["state"], row["event"]) == ("pending", "refund"):
            add(row, f"tender_{row['tender_type']}", amount)
            add(row, "fees", row["fee_minor"])
            if row["event"] == "refund" and not (row["sale_id"] or row["original_tender_id"]):
                add(row, "returns", -amount)
    return found


OWED = {
    "gift_card": "gift_card_liability",
    "deposit": "customer_deposits",
    "donation": "donations_payable",
    "account_payment": "ar.house",
}


def figure_differences(month: Month) -> dict[tuple[str, str], dict[str, tuple[int, int]]]:
    """What our facts add up to otherwise than meant: figure -> (ours, meant)."""
    ours = facts_of(month)
    meant_figures = {
        (day["store"], day["business_date"]): Counter(day["figures"])
        for day in month.game.truth()["store_days"]
    }
    found: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
    for key in sorted(ours.keys() | meant_figures.keys()):
        held, wanted = ours.get(key, Counter()), meant_figures.get(key, Counter())
        names = sorted((held.keys() | wanted.keys()) - {"over_short"})
        wrong = {name: (held[name], wanted[name]) for name in names if held[name] != wanted[name]}
        if wrong:
            found[key] = wrong
    return found


def unexpected(
    outcome: Reconciliation, truth: dict[str, Any]
) -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """(breaks found that no story made, breaks made that were not found)."""
    found, made = open_breaks(outcome), {tuple(one) for one in truth["breaks"]}
    return found - made, made - found
