"""A stranger: the two simulators, `conductor init` and `conductor up` as processes of their own.

Sells with Square's official SDK, reads the books with Xero's official SDK, and works out with its
own arithmetic what must be in between. Imports nothing of ours.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from demo_rig import conductor, inherited
from square import Square
from xero_python.accounting import AccountingApi
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token, TokenApi
from xero_python.identity import IdentityApi

ZONE = ZoneInfo("America/New_York")
TAX_PERCENT = Decimal("8.875")
WAIT_S_MAX = 90
ROUNDS_MAX = 3
SECRETS = {
    "SQUARE_TOKEN": "sandbox-square-token",
    "XERO_CLIENT_ID": "sandbox-xero-client",
    "XERO_CLIENT_SECRET": "sandbox-xero-secret",
}


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Path]:
    """A command that runs until the test is over; gives the file it talks into."""
    talk = folder / f"{arguments[0]}-{arguments[1].strip('-')}.out"
    command = [sys.executable, "-m", "cloud_conductor.cli.main", *arguments]
    with talk.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**inherited(), **SECRETS}, cwd=folder
        )
        try:
            yield talk
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(look: Any, talk: Path) -> Any:
    """Ask until there is an answer; the deadline's message is what the process said."""
    deadline = time.monotonic() + WAIT_S_MAX
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(talk.read_text(errors="replace")[-2_000:])


def address(talk: Path) -> str:
    """What a simulator says it listens on."""

    def look() -> str:
        found = re.search(r"^listening (\S+)$", talk.read_text(), re.MULTILINE)
        return found[1] if found else ""

    return str(until(look, talk))


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


def cents(exact: Decimal) -> int:
    """Square rounds half to even."""
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


def taxed(net: int) -> int:
    return cents(net * TAX_PERCENT / 100)


@dataclass
class Shop:
    """The seller's side, as Square's SDK sees it."""

    sdk: Square
    url: str
    location: str = ""
    ids: dict[str, str] | None = None

    def clock(self, instant: datetime) -> None:
        self.sandbox("/sandbox/clock", {"now": instant.isoformat()})

    def sandbox(self, path: str, body: dict[str, Any]) -> None:
        httpx.post(
            f"{self.url}{path}",
            json=body,
            headers={"authorization": f"Bearer {SECRETS['SQUARE_TOKEN']}"},
        ).raise_for_status()

    def open(self) -> None:
        """One location, two departments with an item each, one tax."""
        made = self.sdk.locations.create(location={"name": "SOHO", "timezone": ZONE.key})
        self.location = made.location.id
        objects = [
            {"type": "TAX", "id": "#tax", "tax_data": {"name": "Tax", "percentage": "8.875"}},
            *good("scarf", "Apparel", 2500, "10.50"),
            *good("mug", "Home", 1500, "6.00"),
        ]
        done = self.sdk.catalog.batch_upsert(
            idempotency_key=str(uuid.uuid4()), batches=[{"objects": objects}]
        )
        self.ids = {pair.client_object_id[1:]: pair.object_id for pair in done.id_mappings}

    def sell(self, name: str, quantity: int, **payment: Any) -> tuple[Any, Any]:
        """Ring up and take the money; gives the order and the payment."""
        assert self.ids is not None
        line = {"uid": name, "catalog_object_id": self.ids[f"{name}-v"], "quantity": str(quantity)}
        tax = {"uid": "tax", "catalog_object_id": self.ids["tax"], "scope": "ORDER"}
        order = self.sdk.orders.create(
            idempotency_key=str(uuid.uuid4()),
            order={"location_id": self.location, "line_items": [line], "taxes": [tax]},
        ).order
        paid = self.sdk.payments.create(
            idempotency_key=str(uuid.uuid4()),
            source_id=payment.pop("source_id", "cnon:card-nonce-ok"),
            order_id=order.id,
            location_id=self.location,
            amount_money=usd(order.total_money.amount),
            **payment,
        )
        return order, paid.payment

    def take_back(self, order_id: str, line: str, payment_id: str, amount: int) -> None:
        """One unit of a line comes back, and its money goes back to the card."""
        entry = {"source_line_item_uid": line, "quantity": "1"}
        back = {"source_order_id": order_id, "return_line_items": [entry]}
        self.sdk.orders.create(
            idempotency_key=str(uuid.uuid4()),
            order={"location_id": self.location, "returns": [back]},
        )
        self.sdk.refunds.refund_payment(
            idempotency_key=str(uuid.uuid4()), payment_id=payment_id, amount_money=usd(amount)
        )


def good(name: str, department: str, price: int, cost: str) -> list[dict[str, Any]]:
    """A category and an item of it, with its unit cost as Square's own custom attribute."""
    attribute = {"key": "unit_cost", "name": "Unit cost", "type": "NUMBER", "number_value": cost}
    variation = {
        "type": "ITEM_VARIATION",
        "id": f"#{name}-v",
        "custom_attribute_values": {"unit_cost": attribute},
        "item_variation_data": {
            "item_id": f"#{name}",
            "name": "Regular",
            "sku": f"SKU-{name}",
            "pricing_type": "FIXED_PRICING",
            "price_money": usd(price),
        },
    }
    data = {
        "name": name,
        "is_taxable": True,
        "categories": [{"id": f"#{department}"}],
        "variations": [variation],
    }
    return [
        {"type": "CATEGORY", "id": f"#{department}", "category_data": {"name": department}},
        {"type": "ITEM", "id": f"#{name}", "item_data": data},
    ]


def balances(xero_url: str, on: date, patch: pytest.MonkeyPatch) -> dict[str, int]:
    """The trial balance by account code in cents, as Xero's SDK reads it."""
    for name in ("client_credentials_token_url", "refresh_token_url"):
        patch.setattr(TokenApi, name, f"{xero_url}/connect/token")
    held: dict[str, Any] = {}
    token = OAuth2Token(
        client_id=SECRETS["XERO_CLIENT_ID"], client_secret=SECRETS["XERO_CLIENT_SECRET"]
    )
    api = ApiClient(
        Configuration(oauth2_token=token),
        oauth2_token_getter=lambda: held,
        oauth2_token_saver=held.update,
    )
    try:
        api.configuration.oauth2_token.get_client_credentials_access_token(api, False)
        (connection,) = IdentityApi(api, base_url=xero_url).get_connections()
        accounting = AccountingApi(api, base_url=f"{xero_url}/api.xro/2.0")
        report = accounting.get_report_trial_balance(connection.tenant_id, date=on).reports[0]
    finally:
        api.rest_client.pool_manager.clear()
    found = {}
    for row in (row for section in report.rows[1:] for row in section.rows):
        name, _, _, debit, credit = (cell.value for cell in row.cells)
        if name != "Total":
            code = name.rpartition("(")[2].removesuffix(")")
            found[code] = cents(100 * (Decimal(debit or 0) - Decimal(credit or 0)))
    return {code: amount for code, amount in found.items() if amount}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ordered(*arguments: str) -> str:
    """Run a command that must succeed; gives its standard output."""
    done = conductor(*arguments, environ=SECRETS)
    assert done.returncode == 0, f"{arguments}: {done.stderr}\n{done.stdout}"
    return done.stdout


def started_product(project: Path, square_url: str, xero_url: str, stack: ExitStack) -> None:
    """`conductor init`, then `conductor up` until its door answers."""
    port = str(free_port())
    urls = ("--square-url", square_url, "--xero-url", xero_url)
    ordered("init", str(project), *urls, "--port", port)
    talk = stack.enter_context(started(project.parent, "up", "--config", str(project)))
    until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), talk)


def closed_and_compared(*config: str) -> Any:
    """What a person comes to who closes, approves, posts and compares until it is green.

    The scheduler works beside these commands, so a first look may come before its last word.
    """
    said = []
    for _ in range(ROUNDS_MAX):
        ordered("run", "close", *config)
        ordered("journals", "approve", "--all", "--as", "second-person", *config)
        ordered("journals", "post", "--yes", *config)
        compared = conductor("reconcile", "--json", *config, environ=SECRETS)
        if compared.returncode == 0:
            return json.loads(compared.stdout)
        said.append(compared.stderr + compared.stdout)
    raise AssertionError("\n".join(said))


def trade(shop: Shop, midnight: datetime) -> tuple[int, int, int]:
    """Two scarves by card, a mug for cash, one scarf back the next day, and a payout.

    Gives what was charged, taken in cash and given back, in cents, by our own arithmetic.
    """
    shop.clock(midnight + timedelta(hours=10))
    scarves, card = shop.sell("scarf", 2)
    shop.clock(midnight + timedelta(hours=11))
    mug, _ = shop.sell("mug", 1, source_id="CASH", cash_details={"buyer_supplied_money": usd(2000)})
    charged, cash = 5000 + taxed(5000), 1500 + taxed(1500)
    assert (scarves.total_money.amount, mug.total_money.amount) == (charged, cash)
    back = 2500 + cents(Decimal(taxed(5000)) / 2)
    shop.clock(midnight + timedelta(days=1, hours=9))
    shop.take_back(scarves.id, "scarf", card.id, back)
    shop.sandbox("/sandbox/payouts", {"location_id": shop.location})
    return charged, cash, back


def test_a_stranger_finds_in_xero_what_it_sold_in_square(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
):
    square_talk = stack.enter_context(started(tmp_path, "sandbox", "square", "--port", "0"))
    xero_talk = stack.enter_context(started(tmp_path, "sandbox", "xero", "--port", "0"))
    square_url, xero_url = address(square_talk), address(xero_talk)
    http = stack.enter_context(httpx.Client())
    token = SECRETS["SQUARE_TOKEN"]
    shop = Shop(Square(base_url=square_url, token=token, httpx_client=http), square_url)
    today = datetime.now(UTC)
    trading = (today.astimezone(ZONE) - timedelta(days=3)).date()
    midnight = datetime.combine(trading, datetime.min.time(), ZONE)
    shop.clock(midnight + timedelta(hours=8))
    shop.open()
    started_product(tmp_path / "shop", square_url, xero_url, stack)
    charged, cash, back = trade(shop, midnight)
    shop.clock(today)

    outcome = closed_and_compared("--config", str(tmp_path / "shop"))

    fee, cost = cents(charged * Decimal("0.026") + 10), 2 * 1050 + 600 - 1050
    assert balances(xero_url, today.date(), monkeypatch) == {
        "090": charged - fee - back,  # paid out to the bank; nothing is left in clearing
        "115": cash,
        "140": -cost,
        "200": -5000,
        "201": -1500,
        "230": 2500,
        "310": cost,
        "420": fee,
        "823": -(charged - 5000 + cash - 1500 - (back - 2500)),
    }
    assert outcome["unexplained_minor"] == 0
    assert [one for one in outcome["breaks"] if not one["is_explained"]] == []


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_a_stranger_is_told_what_is_in_the_way(tmp_path: Path, stack: ExitStack):
    """Each ends with a code, one sentence and what fixes it; never a traceback."""
    square_url = address(stack.enter_context(started(tmp_path, "sandbox", "square")))
    port = square_url.rpartition(":")[2]
    project = str(tmp_path / "shop")
    nobody = f"http://127.0.0.1:{free_port()}"

    def refused(*arguments: str, **secrets: str) -> tuple[int, str]:
        done = conductor(*arguments, environ={**SECRETS, **secrets})
        assert "Traceback" not in done.stderr
        assert "Fix:" in done.stderr
        return done.returncode, done.stderr

    code, said = refused("sandbox", "square", "--port", port)
    assert (code, f"port {port} is in use" in said) == (3, True)
    asked = ("init", project, "--square-url", square_url, "--xero-url", nobody)
    code, said = refused(*asked, SQUARE_TOKEN="")
    assert (code, "SQUARE_TOKEN" in said) == (3, True)
    code, said = refused(*asked, SQUARE_TOKEN="wrong")
    assert (code, "401" in said) == (5, True)
    code, said = refused(*asked)
    assert (code, "Xero" in said) == (5, True)
    assert not (Path(project) / "conductor.toml").exists()
