"""Channels of [publish.*], and the outbox that feeds them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import pyarrow as pa
from sqlalchemy import Engine

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.conform.flow import facts
from cloud_conductor.domain.config import PublishConfig
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.lake import Lake
from cloud_conductor.ports.queue import Queue
from cloud_conductor.publishing.core import TYPES
from cloud_conductor.publishing.flow import Channel, PublishDeps
from cloud_conductor.state import publishing as state

Secret = Callable[[str], str]


def publish_deps(
    channels: Mapping[str, Channel], *, worker: Engine, books: Engine, lake: Lake, clock: Clock
) -> PublishDeps:
    def day_facts(day: date, tables: Sequence[str]) -> Mapping[str, pa.Table]:
        return facts(lake, day, tables=tables)

    return PublishDeps(
        engine=worker, books=books, day_facts=day_facts, clock=clock, channels=channels
    )


def note_dates(worker: Engine, lake: Lake, dates: Sequence[date], *, dry_run: bool) -> int:
    """Note every sale of some business dates as changed, so that channels that lack it get it."""
    noted = 0
    for day in sorted(set(dates) & set(lake.dates("sales"))):
        columns = ["source", "merchant_id", "sale_id"]
        rows = lake.read("sales", [day], columns=columns).to_pylist()
        found = [
            {name: row[name] for name in columns} | {"business_date": day.isoformat()}
            for row in rows
        ]
        noted += len(found)
        if not dry_run:
            state.note_again(worker, found)
    return noted


def channels_of(publish: Mapping[str, PublishConfig], secret: Secret) -> dict[str, Channel]:
    """By name. Raises ConfigError for a type nobody publishes, MissingExtra without its package."""
    for name, one in publish.items():
        unknown = set(one.events) - set(TYPES)
        if unknown:
            raise ConfigError(
                f"[publish.{name}] events: nobody publishes {', '.join(sorted(unknown))}",
                hint=f"choose of: {', '.join(TYPES)}",
            )
    return {
        name: Channel(_named(name, one, secret), one.events, one.attempts_max)
        for name, one in publish.items()
    }


def _named(name: str, config: PublishConfig, secret: Secret) -> Queue:
    """The channel's queue; what is wrong with its settings is said with the section's name."""
    try:
        return _queue(config, secret)
    except ConfigError as error:
        raise ConfigError(f"[publish.{name}]: {error.message}", hint=error.fix) from None


def _queue(config: PublishConfig, secret: Secret) -> Queue:
    if config.kind == "standard_webhooks":
        from cloud_conductor.adapters.queues.standard_webhooks import StandardWebhooks

        secrets = [secret(one) for one in config.secret.split() if one]
        return StandardWebhooks(config.url, secrets, SystemClock())
    if config.kind == "kafka":
        from cloud_conductor.adapters.queues.kafka import KafkaTopic

        return KafkaTopic(config.url, resolved(config.options, secret))
    if config.kind == "sqs":
        from cloud_conductor.adapters.queues.sqs import Sqs

        return Sqs(config.url, region=config.region, endpoint=config.endpoint)
    from cloud_conductor.adapters.queues.sns import Sns

    return Sns(config.url, region=config.region, endpoint=config.endpoint)


def resolved(options: Mapping[str, str], secret: Secret) -> dict[str, str]:
    """Options of librdkafka with references in place of secrets looked up."""
    schemes = ("env:", "file:", "keyring:")
    return {
        name: secret(value) if value.startswith(schemes) else value
        for name, value in options.items()
    }
