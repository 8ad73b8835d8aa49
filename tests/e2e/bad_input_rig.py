"""A town, its house with gaps in the configuration, and a gateway process that takes anything."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner
from house_rig import Town

from cloud_conductor.cli.main import conductor
from cloud_conductor.serve.supervisor import announced
from cloud_conductor.wiring.house import House, open_house

WAIT_S = 60.0
SIGNATURE = "x-square-hmacsha256-signature"
Json = dict[str, Any]


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def run(path: Path, *words: str, exit_code: int = 0) -> Json:
    """A command as a person types it, with --json; gives what it printed."""
    done = CliRunner().invoke(conductor, [*words, "--json", "--config", str(path)])
    assert done.exit_code == exit_code, f"{words}: {done.exception!r} {done.output}"
    found: Json = json.loads(done.stdout.splitlines()[-1])
    return found


def show(path: Path, seq: int) -> str:
    """`conductor quarantine show` for a person."""
    done = CliRunner().invoke(conductor, ["quarantine", "show", str(seq), "--config", str(path)])
    assert done.exit_code == 0, done.output
    return done.stdout


def without(text: str, section: str) -> tuple[str, str]:
    """A TOML text without one section, and that section."""
    found = re.search(rf"^\[{re.escape(section)}\]\n(?:(?!\[).*\n)*", text, re.MULTILINE)
    assert found is not None, section
    return text.replace(found.group(), ""), found.group()


@dataclass(frozen=True)
class Gateway:
    """The intake as its own process. pid: for limits and signals."""

    url: str
    key: bytes
    pid: int

    def sign(self, body: bytes) -> str:
        mac = hmac.new(self.key, self.url.encode() + body, hashlib.sha256).digest()
        return base64.b64encode(mac).decode()

    def post(self, body: bytes, *, signature: str | None = None) -> httpx.Response:
        """A webhook, signed as the seller would unless a signature is given."""
        headers = {SIGNATURE: self.sign(body) if signature is None else signature}
        return httpx.post(self.url, content=body, headers=headers, timeout=WAIT_S)


@contextmanager
def gateway_of(path: Path) -> Iterator[Gateway]:
    """`conductor up --role gateway`, taking webhooks."""
    command = [sys.executable, "-m", "cloud_conductor.cli.main", "up", "--role", "gateway"]
    state_dir = path.parent / ".conductor"
    with subprocess.Popen([*command, "--config", path], stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: announced(state_dir, "gateway"), "the gateway takes webhooks")
            with open_house(str(path)) as house:
                key = house.sealed.get("square.signature_key")
                assert key is not None
                yield Gateway(house.notification_url("square"), key.encode(), process.pid)
        finally:
            process.terminate()
    assert process.returncode in {0, -15}, process.returncode


def hook(event_id: str, kind: str, name: str, body: Json, merchant: str = "ML1") -> bytes:
    """A webhook of the seller's shape around an object."""
    data = {"type": name, "id": body.get("id", ""), "object": {name: body}}
    return json.dumps(
        {"merchant_id": merchant, "type": kind, "event_id": event_id, "data": data}
    ).encode()


def sales_of(town: Town, store: str) -> list[Json]:
    """Plain closed sales of a store: lines, no returns, no gift cards, in order of time."""
    places = {one["store"]: one["location_id"] for one in town.truth["stores"]}
    orders = town.seller.state.table("orders").values()
    plain = [
        one
        for one in orders
        if one["location_id"] == places[store]
        and one["state"] == "COMPLETED"
        and not one.get("returns")
        and all(line["item_type"] == "ITEM" for line in one["line_items"])
        and one.get("tenders")
    ]
    return sorted(plain, key=lambda one: (one["closed_at"], one["id"]))


def gross_minor(order: Json) -> int:
    """Gross sales of an order, by the seller's own record."""
    return sum(line["gross_sales_money"]["amount"] for line in order["line_items"])


def log_of(house: House) -> dict[str, tuple[int, bytes]]:
    """Event id -> number and body of everything in the log."""
    return {one.event_id: (one.seq, one.body) for one in house.log.read("0", 0, 100_000)}


def limit_file_size(pid: int, size_bytes: int) -> None:
    """Let no file of a process grow beyond a size: its disk is full, and only its own."""
    import resource

    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


def is_limitable() -> bool:
    import resource

    return hasattr(resource, "prlimit") and os.name == "posix"
