"""Child of test_log_kill: appends events through the group commit and says which are durable."""

import asyncio
import os
import sys
from pathlib import Path

from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.kafka import KafkaLog
from cloud_conductor.adapters.log.postgres import PostgresLog
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.ports.log import EventLog
from cloud_conductor.testing.log import new_event

SUBMITTERS = 16


def open_log(target: str) -> EventLog:
    """By address: PostgreSQL; a Kafka topic, and its index after a space; or a SQLite file."""
    if target.startswith("postgres"):
        return PostgresLog(target)
    if target.startswith("kafka"):
        url, _, index = target.partition(" ")
        return KafkaLog(url, {}, Path(index))
    return SqliteLog(Path(target))


async def main(target: str) -> None:
    log = open_log(target)
    writer = GroupCommitWriter(log)
    writer.start()

    async def submit(name: str) -> None:
        number = 0
        while True:
            number += 1
            event_id = f"{os.getpid()}-{name}-{number}"
            await writer.submit(new_event(event_id))
            os.write(sys.stdout.fileno(), f"{event_id}\n".encode())

    await asyncio.gather(*(submit(f"s{n}") for n in range(SUBMITTERS)))


asyncio.run(main(sys.argv[1]))
