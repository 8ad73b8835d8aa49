"""The house: one configuration opened, its parts made on first use and closed together."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine

from cloud_conductor.accounting.deps import BooksDeps
from cloud_conductor.accounting.mapping import AccountMap, version_of
from cloud_conductor.adapters.buckets import options_of
from cloud_conductor.adapters.clock import RehearsalClock, SystemClock
from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.adapters.ledger import xero
from cloud_conductor.adapters.log.postgres import PostgresLog
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.adapters.objects.s3 import S3Objects
from cloud_conductor.adapters.pos.square import client as square
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.adapters.secrets.references import resolve
from cloud_conductor.adapters.tokens import FileTokenStore
from cloud_conductor.conform.flow import ConformDeps, check_lake
from cloud_conductor.domain.config import Config, SourceConfig
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.stores import Store
from cloud_conductor.governance.flow import AccessDeps
from cloud_conductor.governance.flow_alerts import AlertDeps
from cloud_conductor.ingest.flow import IngestDeps, Source
from cloud_conductor.ingest.flow_landing import LandingDeps
from cloud_conductor.ingest.sweep import SweepPlan
from cloud_conductor.inventory.flow import InventoryDeps, run_inventory
from cloud_conductor.pipelines.alerting import WatchDeps
from cloud_conductor.pipelines.close import CloseDeps
from cloud_conductor.pipelines.play import score_of
from cloud_conductor.pipelines.retention import Retention, Vacuum
from cloud_conductor.pipelines.score import Score
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.ledger import LedgerAdapter
from cloud_conductor.ports.log import EventLog
from cloud_conductor.ports.objects import ObjectStore
from cloud_conductor.publishing.flow import PublishDeps
from cloud_conductor.state import inventory as inventory_state
from cloud_conductor.state import publishing
from cloud_conductor.state import windows as windows_state
from cloud_conductor.state.engine import open_engine, state_url
from cloud_conductor.state.lock import held
from cloud_conductor.state.migrate import migrate
from cloud_conductor.state.sealed import SealedStore, key_file
from cloud_conductor.state.stores import keep_codes
from cloud_conductor.windows.flow import WindowsDeps, run_windows
from cloud_conductor.wiring import collector, logs
from cloud_conductor.wiring import config as loading
from cloud_conductor.wiring.consents import Consents, token_of
from cloud_conductor.wiring.landing import decoders_of, landings_of
from cloud_conductor.wiring.publishing import channels_of, publish_deps, resolved
from cloud_conductor.wiring.query import run_query
from cloud_conductor.wiring.whole_log import WholeLog

VERIFIERS: Mapping[str, type[SquareVerifier]] = {"square": SquareVerifier}
PROCESSED = "processed"
LAKE_LOCK = "lake.lock"
PUBLISH_LOCK = "publish.lock"


class House:
    """Everything one conductor.toml names. Use as a context manager, or call `close`."""

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.path = path.resolve()
        loading.read_dotenv(self.path.parent)
        self.config_digest = loading.digest(path)
        self.config: Config = loading.load(path, environ)
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.close()

    @property
    def state_dir(self) -> Path:
        return self.config.state_dir

    @cached_property
    def clock(self) -> Clock:
        return clock_of(self.config)

    @cached_property
    def stores(self) -> tuple[Store, ...]:
        return self.config.store_master()

    @cached_property
    def database_url(self) -> str:
        """PostgreSQL address, or empty for SQLite files. May be a reference, as it holds a secret."""
        url = self.config.state.url
        if url.startswith(("env:", "file:", "keyring:")):
            return resolve(url, root=Path(self.config.root))
        return url

    @cached_property
    def worker(self) -> Engine:
        return self._engine("worker")

    @cached_property
    def books(self) -> Engine:
        return self._engine("books")

    @cached_property
    def sealed(self) -> SealedStore:
        reference = self.config.state.key
        root = Path(self.config.root)
        if reference.startswith("file:"):
            key = key_file(root / reference.removeprefix("file:"))
        else:
            key = bytes.fromhex(resolve(reference, root=root))
        return SealedStore(self.worker, key)

    @cached_property
    def log(self) -> EventLog:
        return WholeLog(self.event_store, self.raw)

    @cached_property
    def event_store(self) -> EventLog:
        """The log itself: what the intake appends to and retention prunes."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        log = self._open_log()
        self._closing.callback(log.close)
        return log

    @cached_property
    def lake(self) -> DeltaLake:
        return self.open_lake()

    def open_lake(self) -> DeltaLake:
        """The processed zone by a handle of its own: each thread needs one."""
        if self.config.is_lake_in_bucket:
            address = f"{self.config.lake.path.rstrip('/')}/{PROCESSED}"
            return DeltaLake(address, self._bucket_options())
        return DeltaLake(self.config.lake_dir / PROCESSED)

    @cached_property
    def raw(self) -> ObjectStore:
        if self.config.is_lake_in_bucket:
            return S3Objects(self.config.lake.path, self._bucket_options())
        return LocalObjects(self.config.lake_dir)

    def _bucket_options(self) -> dict[str, str]:
        return options_of(region=self.config.lake.region, endpoint=self.config.lake.endpoint)

    @cached_property
    def pos(self) -> Mapping[str, square.Square]:
        """A connection per source; its merchant id is known here, so a wrong token fails early."""
        return {name: self._connect(name, one) for name, one in self.config.sources.items()}

    @cached_property
    def ledger(self) -> LedgerAdapter:
        config = self.config.ledger
        if config is None:
            raise ConfigError(
                f"{self.path.name} has no [ledger]: entries need one to go to",
                hint=f"add [ledger] and [mapping] to {self.path}, as in"
                " docs/how-to/connect-square-and-xero.md",
            )
        adapter = xero.connect(
            config,
            client_id=self.secret(config.client_id),
            client_secret=self.secret(config.client_secret),
            refresh_token=self.secret(config.refresh_token) if config.refresh_token else "",
            store=FileTokenStore(self.state_dir / "xero.tokens", self._token_key()),
            clock=self.clock,
        )
        self._closing.callback(adapter.close)
        return adapter

    @cached_property
    def ingest_deps(self) -> IngestDeps:
        return IngestDeps(
            log=self.log,
            engine=self.worker,
            raw=self.raw,
            clock=self.clock,
            sources={
                name: _source(adapter, self.config.sources[name])
                for name, adapter in self.pos.items()
            },
            stores=self.stores,
        )

    @cached_property
    def landing_deps(self) -> LandingDeps:
        return LandingDeps(
            log=self.log,
            engine=self.worker,
            raw=self.raw,
            landings=landings_of(self.config, self.stores),
        )

    @cached_property
    def conform_deps(self) -> ConformDeps:
        return ConformDeps(
            log=self.log,
            lake=self.lake,
            engine=self.worker,
            stores=self.stores,
            decoders=decoders_of(self.config)
            | {name: SquareDecoder() for name in self.config.sources},
        )

    @cached_property
    def books_deps(self) -> BooksDeps:
        return BooksDeps(
            engine=self.books,
            ledger=self.ledger,
            clock=self.clock,
            approval=self.config.accounting.approval,
        )

    @cached_property
    def accounts(self) -> AccountMap:
        rules = self.config.mapping
        return AccountMap.of(rules, version_of(rules, self.config.mapping_version))

    @cached_property
    def close_deps(self) -> CloseDeps:
        return CloseDeps(
            clock=self.clock,
            stores=self.stores,
            ingest=self.ingest_deps,
            conform=self.conform_deps,
            books=self.books_deps,
            pos=self.pos,
            accounts=self.accounts,
            fees_at=self.config.accounting.fees_at,
            grace=timedelta(hours=self.config.accounting.close_grace_h),
            bank_account=self.config.mapping.get("bank", ""),
            lake_lock=self.lake_lock,
            processors={name: one.vendor for name, one in self.config.sources.items()}
            | {name: one.processor or name for name, one in self.config.landing.items()},
            landing=self.landing_deps if self.config.landing else None,
            folder=self.state_dir,
        )

    @cached_property
    def access_deps(self) -> AccessDeps:
        """Who may come in (governance)."""
        return AccessDeps(
            engine=self.books,
            clock=self.clock,
            stores=[one.store for one in self.stores],
            ttl=timedelta(hours=self.config.serve.session_h),
        )

    @cached_property
    def inventory_deps(self) -> InventoryDeps:
        return InventoryDeps(
            log=self.log,
            engine=self.worker,
            clock=self.clock,
            decoders=self.conform_deps.decoders,
            stores=self.stores,
        )

    @cached_property
    def windows_deps(self) -> WindowsDeps:
        return WindowsDeps(
            log=self.log,
            engine=self.worker,
            decoders=self.conform_deps.decoders,
            stores=self.stores,
        )

    @cached_property
    def live(self) -> tuple[Callable[[], object], ...]:
        """Those of `consumers` that make what people look at as it happens."""
        return (
            lambda: run_windows(self.windows_deps),
            lambda: run_inventory(self.inventory_deps),
        )

    @cached_property
    def consumers(self) -> tuple[Callable[[], object], ...]:
        """What reads the log beside conform, each with a cursor of its own."""
        return (*self.live, self.retention, self.vacuum)

    @cached_property
    def retention(self) -> Retention:
        keep_days = self.config.log.keep_days
        return Retention(
            self.close_deps,
            self.event_store,
            keep=timedelta(days=keep_days) if keep_days else None,
            others=(
                lambda partition: inventory_state.cursor(self.worker, partition),
                lambda partition: windows_state.cursor(self.worker, partition),
            ),
        )

    @cached_property
    def vacuum(self) -> Vacuum:
        keep_days = self.config.lake.vacuum_days
        return Vacuum(self.close_deps, keep=timedelta(days=keep_days) if keep_days else None)

    @cached_property
    def alert_deps(self) -> AlertDeps:
        return AlertDeps(
            engine=self.books,
            clock=self.clock,
            config=self.config.alerts,
            secret=self.secret,
            link=self.console_url,
        )

    @cached_property
    def watch_deps(self) -> WatchDeps:
        return WatchDeps(
            tell=self.alert_deps,
            lake=self.open_lake(),  # its own: the watcher is a thread
            worker=self.worker,
            stores=self.stores,
            sweep_s={name: one.sweep_interval_s for name, one in self.config.sources.items()},
        )

    @property
    def console_url(self) -> str:
        """Where people find the console: the proxy in front, or the gateway itself."""
        gateway = self.config.gateway
        host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
        return self.config.serve.public_url.rstrip("/") or f"http://{host}:{gateway.port}"

    @cached_property
    def score(self) -> Score:
        """What the scheduler plays (pipelines.engine)."""
        return score_of(self.close_deps)

    @cached_property
    def publish_deps(self) -> PublishDeps:
        channels = channels_of(self.config.publish, self.secret)
        for channel in channels.values():
            self._closing.callback(channel.queue.close)
        lake = self.open_lake()  # its own: the publisher is a thread
        return publish_deps(
            channels, worker=self.worker, books=self.books, lake=lake, clock=self.clock
        )

    @contextmanager
    def publish_lock(self) -> Iterator[None]:
        """One publisher at a time, across processes of this machine: it keeps the order."""
        with held(self.state_dir / PUBLISH_LOCK):
            yield

    @contextmanager
    def lake_lock(self) -> Iterator[None]:
        """One writer of the lake at a time, across processes of this machine; waits its turn."""
        with held(self.state_dir / LAKE_LOCK):
            yield

    def consents(self, source: str) -> Consents:
        """The consent of a source's seller. Raises ConfigError where it has a token of its own."""
        made = Consents(
            source,
            self.config.sources[source],
            resolve=self.secret,
            state_dir=self.state_dir,
            clock=self.clock,
        )
        self._closing.callback(made.close)
        return made

    def secret(self, reference: str, *, name: str = "") -> str:
        return resolve(reference, root=Path(self.config.root), sealed=self.sealed, name=name)

    def notification_url(self, source: str) -> str:
        """The subscription's URL, byte for byte; on one machine, the gateway's own."""
        gateway = self.config.gateway
        given = self.config.sources[source].notification_url
        return given or f"http://{gateway.host}:{gateway.port}/hooks/{source}"

    def prepare(self) -> None:
        """Bring the state databases to this version's schema; refuse a store under a new code."""
        migrate(self.worker, "worker")
        migrate(self.books, "books")
        publishing.watch(self.worker, on=bool(self.config.publish))
        keep_codes(self.books, self.stores)

    def prepare_ledger(self) -> None:
        """Make what documents will name and the ledger lacks: a tracking option per store."""
        if self.config.ledger is not None and self.config.ledger.tracking:
            self.ledger.prepare([store.store for store in self.stores])

    def query(self, sql: str, *, shown: Callable[[Any], Any] = lambda rows: rows) -> Any:
        """An Arrow table: one SELECT over the latest version of every table, as `shown` lets it see."""
        check_lake(self.conform_deps)
        return run_query(self.lake, sql, shown=shown)

    def _open_log(self) -> EventLog:
        """Where [log] says; else beside the state."""
        config = self.config.log
        if config.url:
            from cloud_conductor.adapters.log.kafka import KafkaLog

            index = self.state_dir / "kafka-index.sqlite"
            return KafkaLog(config.url, resolved(config.options, self.secret), index)
        if self.database_url:
            return PostgresLog(self.database_url.replace("+psycopg", ""))
        return SqliteLog(self.state_dir / "log.sqlite")

    def _engine(self, file: Any) -> Engine:
        engine = open_engine(state_url(self.state_dir, self.database_url, file))
        self._closing.callback(engine.dispose)
        return engine

    def _connect(self, name: str, source: SourceConfig) -> square.Square:
        if source.vendor != "square":
            raise ConfigError(
                f"[sources.{name}]: no adapter for {source.vendor!r}; there is: square"
            )
        auth = token_of(name, source, self.secret) or self.consents(name).token
        adapter = square.connect(source.base_url, auth, source=name, clock=self.clock)
        self._closing.callback(adapter.close)
        return adapter

    def _token_key(self) -> bytes:
        return key_file(self.state_dir / "xero.key")


def clock_of(config: Config) -> Clock:
    """The machine's clock, or a rehearsal's.

    All processes of a rehearsal agree: its clock is the machine's plus one offset, kept in the
    state folder by the process that first asked.
    """
    if not config.clock.start:
        return SystemClock()
    start = datetime.fromisoformat(config.clock.start)
    if start.tzinfo is None:
        raise ConfigError("[clock] start needs an offset, e.g. 2026-11-24T12:00:00Z")
    real = SystemClock().now()
    began = _first_told(config.state_dir / "rehearsal-began", real.isoformat())
    offset = real - datetime.fromisoformat(began)
    return RehearsalClock(start.astimezone(UTC) + offset)


def _first_told(path: Path, text: str) -> str:
    """What the first process wrote into the file: all of it or nothing, whoever dies when."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text)
    with suppress(FileExistsError):
        path.hardlink_to(partial)
    partial.unlink()
    return path.read_text()


@contextmanager
def open_house(config_path: str | None) -> Iterator[House]:
    """The house of --config, its databases migrated."""
    with House(loading.find_file(config_path)) as house:
        logs.configure("cli", house.state_dir, to_stderr=False)
        house.prepare()
        collector.spare(collector.ROWS)
        yield house


def _source(adapter: square.Square, config: SourceConfig) -> Source:
    pattern = re.compile(config.receipts) if config.receipts else None
    return Source(adapter=adapter, plan=_plan(config), receipts=pattern)


def _plan(source: SourceConfig) -> SweepPlan:
    plan = SweepPlan(
        interval=timedelta(seconds=source.sweep_interval_s),
        overlap=timedelta(seconds=source.sweep_overlap_s),
    )
    if source.start_at:
        return SweepPlan(plan.interval, plan.overlap, datetime.fromisoformat(source.start_at))
    return plan
