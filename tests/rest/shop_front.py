"""A town behind its gateway: real sockets, real sign-in, people of every role."""

import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner
from house_rig import Town, open_town

from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.cli.main import conductor
from cloud_conductor.governance import flow
from cloud_conductor.governance.access import ROLES
from cloud_conductor.inventory.flow import run_inventory
from cloud_conductor.serve.app import Api
from cloud_conductor.serve.console import Console
from cloud_conductor.serve.gateway import Gateway, gateway_server

DAYS = (date(2026, 11, 20), date(2026, 11, 21))
DEADLINE_S = 20.0
_numbers = itertools.count()


@dataclass
class Caller:
    """Somebody who asks: a browser with a cookie, or a program with a key."""

    client: httpx.Client
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.client.get(f"/api/v1{path}", params=params, headers=self.headers)

    def items(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", **params: Any
    ) -> httpx.Response:
        headers = self.headers | {"Idempotency-Key": key or f"test-key-{next(_numbers):06d}"}
        return self.client.request(
            method, f"/api/v1{path}", json=body, params=params, headers=headers
        )

    def post(self, path: str, body: Any = None, *, key: str = "", **params: Any) -> httpx.Response:
        return self.send("POST", path, {} if body is None else body, key=key, **params)


@dataclass
class Front:
    """The town, its gateway's address, and ways in."""

    town: Town
    api: Api
    url: str

    @property
    def house(self) -> Any:
        return self.town.house

    @contextmanager
    def browser(self, name: str) -> Iterator[Caller]:
        """A signed-in browser: it says where its requests come from, as browsers do."""
        token = flow.make_link(self.api.desk.access, "test", name)
        with httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=60) as client:
            answer = client.get("/login", params={"t": token})
            assert answer.status_code == 303, answer.text
            yield Caller(client)

    @contextmanager
    def program(self, roles: Sequence[str], stores: Sequence[str] = ("*",)) -> Iterator[Caller]:
        """A program with an API key of some roles."""
        made, _ = flow.make_key(
            self.api.desk.access, "test", "owner", "test",
            roles=roles, stores=stores, ttl=timedelta(days=1),
        )  # fmt: skip
        with httpx.Client(base_url=self.url, timeout=60) as client:
            yield Caller(client, {"Authorization": f"Bearer {made.text}"})


def said(front: Front, *words: str) -> dict[str, Any]:
    """The JSON that a command prints about the same house."""
    asked = [*words, "--config", str(front.house.path)]
    done = CliRunner().invoke(conductor, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def open_front(folder: Path) -> Iterator[Front]:
    """Trade two days, close and compare them, and serve the house on an ephemeral port."""
    with open_town(folder, stores=2, days=2, orders_per_day=8) as town:
        town.close_due()
        town.reconcile(list(DAYS))
        run_inventory(town.house.inventory_deps)
        access = town.house.access_deps
        flow.ensure_owner(access)
        for role in ROLES:
            flow.put_user(access, "test", role, [role], ["*"])
            flow.put_user(access, "test", f"{role}-nyc", [role], ["NYC01"])
        with served(town) as front:
            yield front


@contextmanager
def served(town: Town) -> Iterator[Front]:
    """The town's house behind a gateway of its own."""
    api = Api(town.house, fallback=Console())
    api.sign_ins_per_minute = 100_000
    app = Gateway({}, GroupCommitWriter(town.house.log), town.house.clock, rest=api)
    server = gateway_server(app, "127.0.0.1", 0)
    server.on_stopping = api.close
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not server.port:
            assert time.monotonic() < deadline, "the gateway did not start"
            time.sleep(0.01)
        yield Front(town, api, f"http://127.0.0.1:{server.port}")
    finally:
        server.stop()
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the gateway did not stop"
