"""`conductor sandbox`: the simulators alone, for rehearsals and for clients of any kind."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@click.group()
def sandbox() -> None:
    """Run a simulated Square seller or Xero organisation on loopback (never the real host)."""


@sandbox.command()
@click.option("--port", type=int, default=0, show_default=True, help="0 takes a free one.")
@click.option("--state", type=click.Path(path_type=Path), default=None, help="File that keeps it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Dice of ids and faults.")
@click.option("--clock", default=None, metavar="INSTANT", help="Start at this RFC 3339 instant.")
@click.option("--token", default=None, help="Access token clients must send.")
@click.option("--fee-rate", default="0.026", show_default=True, help="Processing fee, fraction.")
@click.option("--fee-fixed", type=int, default=10, show_default=True, help="Plus minor units.")
def square(
    port: int,
    state: Path | None,
    seed: int,
    clock: str | None,
    token: str | None,
    fee_rate: str,
    fee_fixed: int,
) -> None:
    """A Square seller: API, OAuth and signed webhooks. Prints its token and `listening URL`."""
    from cloud_conductor.sandbox import square as simulator

    with _on(port):
        simulator.run(
            port=port,
            state=state,
            seed=seed,
            clock=clock,
            token=token or simulator.DEFAULT_TOKEN,
            fee_rate=fee_rate,
            fee_fixed=fee_fixed,
        )


@sandbox.command()
@click.option("--port", type=int, default=0, show_default=True, help="0 takes a free one.")
@click.option("--state", type=click.Path(path_type=Path), default=None, help="File that keeps it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Dice of ids and faults.")
@click.option("--clock", default=None, metavar="INSTANT", help="Start at this RFC 3339 instant.")
@click.option(
    "--time-scale",
    type=float,
    default=1.0,
    show_default=True,
    help="How much faster Xero's minutes pass (limits, tokens, idempotency keys).",
)
@click.option("--currency", default="USD", show_default=True, help="Base currency.")
@click.option(
    "--chart",
    type=click.Path(path_type=Path, exists=True),
    default=None,
    help="JSON list of accounts instead of the built-in chart.",
)
@click.option(
    "--lose-replies",
    type=float,
    default=0.0,
    show_default=True,
    help="Probability that an answer is lost.",
)
@click.option("--advanced-tier", is_flag=True, help="Serve /Journals, as Xero's Advanced tier.")
def xero(
    port: int,
    state: Path | None,
    seed: int,
    clock: str | None,
    time_scale: float,
    currency: str,
    chart: Path | None,
    lose_replies: float,
    advanced_tier: bool,
) -> None:
    """A Xero organisation: identity, accounting and finance APIs. Prints its credentials."""
    from cloud_conductor.sandbox import xero as simulator

    with _on(port):
        simulator.run(
            port=port,
            state=state,
            seed=seed,
            clock=clock,
            time_scale=time_scale,
            currency=currency,
            chart=chart,
            lose_replies=lose_replies,
            advanced_tier=advanced_tier,
        )


@contextmanager
def _on(port: int) -> Iterator[None]:
    """Say it plainly when somebody has the port already."""
    from cloud_conductor.domain.errors import ConfigError

    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ConfigError(f"port {port} is in use", hint="--port 0 takes a free one") from error
