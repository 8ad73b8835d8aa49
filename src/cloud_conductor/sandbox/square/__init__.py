"""A simulated Square seller over real HTTP: API, OAuth and signed webhooks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from cloud_conductor.sandbox.clock import SandboxClock, parse_instant
from cloud_conductor.sandbox.http import serve
from cloud_conductor.sandbox.square.app import DEFAULT_TOKEN, simulator
from cloud_conductor.sandbox.square.seller import Seller
from cloud_conductor.sandbox.square.state import Settings

__all__ = ["DEFAULT_TOKEN", "Seller", "Settings", "run", "simulator"]


def run(
    *,
    port: int = 0,
    state: Path | None = None,
    seed: int = 0,
    clock: str | None = None,
    token: str = DEFAULT_TOKEN,
    fee_rate: str = "0.026",
    fee_fixed: int = 10,
    retry_seconds: float = 0.5,
) -> None:
    """Serve a seller on 127.0.0.1 until interrupted; prints `listening URL`, then its token.

    clock: RFC 3339 instant to start at (then it runs on), None = the machine's time.
    fee_rate: processing fee as a fraction of the charged total, decimal text; fee_fixed: minor
    units on top of it.
    """
    settings = Settings(seed=seed, fee_rate=Fraction(fee_rate), fee_fixed=fee_fixed)
    started = SandboxClock(parse_instant(clock) if clock else None)
    seller = Seller(settings, clock=started)
    app = simulator(seller, token=token, state=state, retry_seconds=retry_seconds)
    serve(app, port=port, notes=(f"access token {token}",))
