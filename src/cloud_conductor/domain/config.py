"""What conductor.toml says, as one frozen value. Loading and secrets: `wiring`."""

from datetime import time
from pathlib import Path
from typing import Literal

import msgspec

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.stores import Meanings, Store, TaxSplit

Roles = Literal["gateway", "worker", "scheduler"]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class ClockConfig(_Section, frozen=True):
    """`start` makes a rehearsal clock: the product's now begins there and runs at real speed."""

    start: str = ""


class StateConfig(_Section, frozen=True):
    """`url` empty: SQLite files below `dir`. Else a postgresql+psycopg:// URL or a reference."""

    dir: str = ".conductor"
    url: str = ""
    key: str = "file:.conductor/key"


class GatewayConfig(_Section, frozen=True):
    host: str = "127.0.0.1"
    port: int = 8787
    body_bytes_max: int = 1_048_576


class OidcConfig(_Section, frozen=True):
    """Sign-in by an identity provider. user_claim: its value names a user of ours."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    user_claim: str = "email"


class ServeConfig(_Section, frozen=True):
    """REST and console. public_url: the address people use when a TLS proxy stands in front."""

    public_url: str = ""
    session_h: float = 12.0
    requests_per_minute: int = 1_200
    query_s_max: float = 20.0
    oidc: OidcConfig = OidcConfig()


class AlertRoute(_Section, frozen=True):
    """Who is told: kinds, roles and stores that go this way (none named: all), and the way.

    webhook: reference to a Slack-compatible address. email: addresses; needs [alerts] smtp.
    """

    kinds: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    severity: Literal["info", "warning", "critical"] = "warning"
    webhook: str = ""
    email: tuple[str, ...] = ()


class AlertsConfig(_Section, frozen=True):
    """When somebody is told. smtp: reference to `smtp://[user:password@]host:port`."""

    smtp: str = ""
    sender: str = ""
    break_minor_min: int = 1_000
    drawer_short_minor: int = 500
    dead_till_min: int = 45
    fresh_s_max: float = 900.0
    again_h: float = 24.0
    routes: dict[str, AlertRoute] = msgspec.field(default_factory=dict)


Names = tuple[str, ...]


class LineMeanings(_Section, frozen=True):
    """Names of items and custom amounts that are no merchandise."""

    deposit: Names = ()
    donation: Names = ()
    account_payment: Names = ()
    service: Names = ()
    shipping: Names = ()
    fee: Names = ()


class DiscountMeanings(_Section, frozen=True):
    """Names of discounts with an account of their own; `vendor` pays for his (R-9.13, R-9.14)."""

    vendor: Names = ()
    comp: Names = ()
    employee: Names = ()
    coupon: Names = ()


class TenderMeanings(_Section, frozen=True):
    """Names of external means of payment (R-9.5, R-9.8, R-9.9, R-9.14)."""

    house_account: Names = ()
    store_credit: Names = ()
    deposit: Names = ()
    vendor_coupon: Names = ()


class PaidOutMeanings(_Section, frozen=True):
    """Reasons of cash paid out of a drawer that is no expense (R-8.1).

    A `drop` to the safe is part of the bag. `float`: the drawer's float is lowered from now on.
    """

    drop: Names = ()
    float: Names = ()


class PaidInMeanings(_Section, frozen=True):
    """Reasons of cash paid into a drawer: its `float` is raised from now on (R-8.1)."""

    float: Names = ()


class MeaningsConfig(_Section, frozen=True):
    """What the tills' own names mean where the POS has no word for it; `*` ends a beginning."""

    lines: LineMeanings = LineMeanings()
    discounts: DiscountMeanings = DiscountMeanings()
    tenders: TenderMeanings = TenderMeanings()
    paid_outs: PaidOutMeanings = PaidOutMeanings()
    paid_ins: PaidInMeanings = PaidInMeanings()

    def rules(self) -> Meanings:
        """The same as the store master carries it, meanings without names left out."""
        said: dict[str, dict[str, list[str]]] = msgspec.to_builtins(self)
        return Meanings(
            **{
                kind: tuple((meaning, tuple(names)) for meaning, names in some.items() if names)
                for kind, some in said.items()
            }
        )


class SourceConfig(_Section, frozen=True):
    """One POS connection. `notification_url` must be byte-identical to the vendor's subscription.

    token: for one's own seller. client_id: OAuth instead, by code with a client_secret, by PKCE
    without; refresh_token where a consent was given elsewhere. All of them are references.
    """

    vendor: str
    base_url: str
    token: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    notification_url: str = ""
    signature_key: str = "state:"
    sweep_interval_s: float = 60.0
    sweep_overlap_s: float = 300.0
    start_at: str = ""
    receipts: str = ""
    meanings: MeaningsConfig = MeaningsConfig()


class LogConfig(_Section, frozen=True):
    """Where the event log lives. `url` empty: beside the state (SQLite, or its PostgreSQL).

    `kafka://host:port[,host:port]/topic`: a topic of one partition. options: of librdkafka, values
    may be references.
    """

    url: str = ""
    options: dict[str, str] = msgspec.field(default_factory=dict)
    keep_days: float = 30.0


class LandingConfig(_Section, frozen=True):
    """Exports that land in a folder or below an S3 prefix. columns: their field name -> ours."""

    path: str
    policy: Literal["record", "file"] = "record"
    interval_s: float = 10.0
    settle_s: float = 5.0
    file_bytes_max: int = 67_108_864
    processor: str = ""
    region: str = ""
    endpoint: str = ""
    columns: dict[str, str] = msgspec.field(default_factory=dict)


class PublishConfig(_Section, frozen=True):
    """A channel that is told what happened. `secret`: reference, of webhooks only.

    url: of the receiver, of the SQS queue, the SNS topic's ARN, or `kafka://host:port/topic`.
    """

    kind: Literal["standard_webhooks", "sqs", "sns", "kafka"]
    url: str
    secret: str = ""
    events: tuple[str, ...] = ("sale.recorded",)
    attempts_max: int = 30
    region: str = ""
    endpoint: str = ""
    options: dict[str, str] = msgspec.field(default_factory=dict)


class LedgerConfig(_Section, frozen=True):
    """One accounting organisation. client_id and client_secret are references."""

    vendor: str
    base_url: str
    identity_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    grant: Literal["client_credentials", "refresh_token"] = "client_credentials"
    refresh_token: str = ""
    scopes: str = ""
    tenant_id: str = ""
    tracking: str = ""
    bank_lines: bool = False
    calls_per_minute: int = 60
    documents_per_call: int = 50


class StoreConfig(_Section, frozen=True):
    location: str
    time_zone: str
    cutoff: str = "00:00"
    currency: str = "USD"
    entity: str = "main"
    source: str = "square"
    tax_splits: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class ApprovalConfig(_Section, frozen=True):
    """R-15.4: kinds approved by policy once a mapping version has been posted by hand before.

    break_minor_max: a break up to this much is settled by one person, above it by two (R-15.3).
    """

    auto_kinds: tuple[str, ...] = ()
    auto_amount_minor_max: int = 0
    break_minor_max: int = 500


class AccountingConfig(_Section, frozen=True):
    fees_at: Literal["sale", "payout"] = "sale"
    close_grace_h: float = 6.0
    approval: ApprovalConfig = ApprovalConfig()


class LakeConfig(_Section, frozen=True):
    """Where the zones (raw, processed) are: a folder relative to conductor.toml, or a bucket.

    region, endpoint: of `s3://bucket/prefix`; the endpoint of a store that is not AWS. vacuum_days:
    how long files that a seal replaced stay for readers; 0 keeps them for ever.
    """

    path: str = "lake"
    region: str = ""
    endpoint: str = ""
    flush_interval_s: float = 30.0
    flush_rows_max: int = 50_000
    vacuum_days: float = 7.0


class Config(_Section, frozen=True):
    """The whole of conductor.toml. mapping: role pattern -> ledger account code (R-6.2)."""

    name: str = "conductor"
    clock: ClockConfig = ClockConfig()
    state: StateConfig = StateConfig()
    lake: LakeConfig = LakeConfig()
    gateway: GatewayConfig = GatewayConfig()
    serve: ServeConfig = ServeConfig()
    alerts: AlertsConfig = AlertsConfig()
    log: LogConfig = LogConfig()
    sources: dict[str, SourceConfig] = msgspec.field(default_factory=dict)
    landing: dict[str, LandingConfig] = msgspec.field(default_factory=dict)
    publish: dict[str, PublishConfig] = msgspec.field(default_factory=dict)
    ledger: LedgerConfig | None = None
    stores: dict[str, StoreConfig] = msgspec.field(default_factory=dict)
    mapping: dict[str, str] = msgspec.field(default_factory=dict)
    mapping_version: str = "1"
    accounting: AccountingConfig = AccountingConfig()
    root: str = "."

    @property
    def state_dir(self) -> Path:
        return Path(self.root) / self.state.dir

    @property
    def lake_dir(self) -> Path:
        """The folder of the zones; ConfigError where they are in a bucket."""
        if self.is_lake_in_bucket:
            raise ConfigError(f"[lake] path is {self.lake.path}: this works on a folder only")
        return Path(self.root) / self.lake.path

    @property
    def is_lake_in_bucket(self) -> bool:
        return self.lake.path.startswith("s3://")

    def store_master(self) -> tuple[Store, ...]:
        """Stores in the order of their codes."""
        meanings = {name: source.meanings.rules() for name, source in self.sources.items()}
        return tuple(
            Store(
                store=code,
                source=entry.source,
                location_id=entry.location,
                time_zone=entry.time_zone,
                cutoff=time.fromisoformat(entry.cutoff),
                currency=entry.currency,
                entity=entry.entity,
                tax_splits=tuple(
                    TaxSplit(tax=tax, parts=tuple(parts.items()))
                    for tax, parts in entry.tax_splits.items()
                ),
                meanings=meanings.get(entry.source, Meanings()),
            )
            for code, entry in sorted(self.stores.items())
        )
