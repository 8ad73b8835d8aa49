"""The three roles of one machine, each in a process of its own (design, section 4)."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_conductor.domain.errors import ConductorError, ConfigError
from cloud_conductor.serve import supervisor
from cloud_conductor.wiring.house import VERIFIERS, House

if TYPE_CHECKING:
    from cloud_conductor.serve.app import Api

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def prepare(path: Path) -> tuple[str, str]:
    """Migrate and check what may be bound; the webhook address of the first source, and the console's.

    The console's address is a link that signs the first user in, once.
    """
    from cloud_conductor.governance import flow

    with House(path) as house:
        _check_port(house)
        _ = house.accounts  # or roles would die of a wrong [mapping], again and again
        house.prepare()
        _check_bind(house)
        source = next(iter(house.config.sources), "")
        webhooks = house.notification_url(source) if source else "(no source configured)"
        access = house.access_deps
        token = flow.make_link(access, "service:setup", flow.ensure_owner(access))
        return webhooks, f"{house.console_url}/login?t={token}"


def gateway(path: Path) -> None:
    """Take webhooks; makes the vendors' subscriptions first, so that their keys are known."""
    from cloud_conductor.adapters.log.group import GroupCommitWriter
    from cloud_conductor.serve.gateway import Door, Gateway, gateway_server, tune_process
    from cloud_conductor.serve.lazy import Lazy

    stop = supervisor.stop_signal()
    with House(path) as house:
        config = house.config.gateway
        _check_bind(house)
        doors = {
            name: Door(
                verifier=VERIFIERS[house.config.sources[name].vendor](),
                keys=(_signature_key(house, name).encode(),),
                url=house.notification_url(name),
            )
            for name in house.config.sources
        }
        rest = Lazy(lambda: _rest(house))
        app = Gateway(
            doors,
            GroupCommitWriter(house.event_store),
            house.clock,
            body_bytes_max=config.body_bytes_max,
            rest=rest,
        )
        server = gateway_server(app, config.host, config.port)
        server.on_stopping = rest.close

        server.on_started = lambda port: supervisor.announce(
            house.state_dir, "gateway", house.config_digest, host=config.host, port=port
        )
        supervisor.when_set(stop, server.stop)
        tune_process()
        server.run()


def _rest(house: House) -> "Api":
    """REST and console, made when somebody first asks for them."""
    from cloud_conductor.serve.app import Api
    from cloud_conductor.serve.console import Console

    return Api(house, fallback=Console())


def worker(path: Path) -> None:
    """Fetch what webhooks name, conform, archive."""
    from cloud_conductor.pipelines import worker as loop

    stop = supervisor.stop_signal()
    with House(path) as house:
        supervisor.announce(house.state_dir, "worker", house.config_digest)
        sys.setswitchinterval(loop.SWITCH_S)
        with _publisher(house, stop), _watcher(house, stop):
            loop.work(
                house.close_deps,
                stop.wait,
                flush_interval=timedelta(seconds=house.config.lake.flush_interval_s),
                flush_events_max=house.config.lake.flush_rows_max,
                consumers=house.consumers,
                live=house.live,
            )


@contextmanager
def _publisher(house: House, stop: threading.Event) -> Iterator[None]:
    """Beside the worker's loop, where any [publish.*] is configured, until the role stops."""
    if not house.config.publish:
        yield
        return
    from cloud_conductor.pipelines.publisher import publish

    told = (house.publish_deps, house.publish_lock, stop.wait)
    thread = threading.Thread(target=publish, args=told, name="publisher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)


@contextmanager
def _watcher(house: House, stop: threading.Event) -> Iterator[None]:
    """Beside the worker's loop: looks for what is wrong and tells it, until the role stops."""
    from cloud_conductor.pipelines.alerting import watch

    told = (house.watch_deps, stop.wait)
    thread = threading.Thread(target=watch, args=told, name="watcher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)


def scheduler(path: Path) -> None:
    """Sweep, close, post and reconcile on their schedules, durably."""
    from cloud_conductor.pipelines import engine

    stop = supervisor.stop_signal()
    with House(path) as house:
        house.prepare_ledger()
        running = engine.start(house.score, state_dir=house.state_dir)
        supervisor.announce(house.state_dir, "scheduler", house.config_digest)
        try:
            stop.wait()
        finally:
            running.stop()


def _check_bind(house: House) -> None:
    """Beyond this machine only behind TLS, and only when somebody can sign in."""
    from cloud_conductor.state.governance import has_users

    host, serve = house.config.gateway.host, house.config.serve
    if host in LOOPBACK:
        return
    if not serve.public_url.startswith("https://"):
        raise ConfigError(
            f"[gateway] host = {host!r} is not this machine only, and sign-in would cross the "
            "network in the clear",
            hint='keep host = "127.0.0.1", or set [serve] public_url = "https://..." of the TLS '
            "proxy in front",
        )
    if not (serve.oidc.issuer or has_users(house.books)):
        raise ConfigError(
            f"[gateway] host = {host!r} is not this machine only, and nobody could sign in",
            hint="conductor users add NAME --role admin",
        )


def _check_port(house: House) -> None:
    """The gateway's port is free, or its own gateway has it."""
    gateway = house.config.gateway
    if supervisor.announced(house.state_dir, "gateway"):
        return
    with socket.socket(socket.AF_INET6 if ":" in gateway.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((gateway.host, gateway.port))
        except OSError as error:
            raise ConfigError(
                f"[gateway] port = {gateway.port} cannot be used: {error.strerror}",
                hint="stop what listens there, or choose another port in conductor.toml",
            ) from None


def _signature_key(house: House, name: str) -> str:
    """The configured key, or the sealed one of the subscription, made on first use."""
    reference = house.config.sources[name].signature_key
    sealed_name = f"{name}.signature_key"
    if reference != "state:":
        return house.secret(reference, name=sealed_name)
    try:
        key = house.pos[name].subscribe(house.notification_url(name))
    except ConductorError:
        known = house.sealed.get(sealed_name)
        if known is None:
            raise
        return known
    house.sealed.put(sealed_name, key, now=house.clock.now())
    return key
