"""The same kills of a real `conductor up` with the log on Kafka, and with all state in PostgreSQL."""

import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_whole_path_kill import check_events, check_ledger, documents, post, trade
from whole_path import Town, killing, open_town

from cloud_conductor.accounting import flow
from cloud_conductor.cli.rehearsal import Plan
from cloud_conductor.state import accounting as books
from cloud_conductor.wiring import errands
from cloud_conductor.wiring.house import open_house
from services import tansu

sys.path.append(str(Path(__file__).parents[1] / "soak"))

from recording import Facts, recorded

PLAN = Plan(scenario="chain", seed=11, stores=1, days=2)


@contextmanager
def open_town_on(folder: Path, more: str) -> Iterator[Town]:
    """A town whose configuration says where its log or its state is."""
    with open_town(folder, PLAN, documents_per_call=2) as town:
        town.path.write_text(f"{town.path.read_text()}\n{more}")
        yield town


def close_days(town: Town, dice: random.Random) -> None:
    """Close and approve while the closers are killed; the scheduler may have been first."""
    with (
        killing(town, dice, ["scheduler", "worker", "scheduler"], pause_s=(0.0, 1.5)),
        open_house(str(town.path)) as house,
    ):
        errands.close_due(house)
        flow.approve(house.books_deps, "user:second-person", reason="crash test")


def check_whole_path(town: Town, facts: Facts) -> None:
    """Traded, closed, posted and reconciled while everything is killed: 0 lost, 0 doubled."""
    dice = random.Random(PLAN.seed)
    town.faults(lose_reply={"probability": 0.2, "methods": ["PUT"]})
    town.up()
    town.wait_ready()
    trade(town, dice)
    close_days(town, dice)
    post(town, dice)
    facts["replies_lost"] = ask(town, "faults")["struck"]["lose_reply"]
    town.no_faults()
    outcome = town.reconcile()
    assert outcome.is_green, [one for one in outcome.breaks if not one.is_explained]
    town.stop()  # a sweep after the count would add its duplicates to what is counted next
    judged = town.recomputed(outcome)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    check_events(town)
    check_ledger(town)
    assert town.kills == {"gateway": 2, "worker": 2, "scheduler": 3}
    facts |= {"kills": {**town.kills, "supervisor": 1}, **counted(town)}
    assert (facts["lost"], facts["doubled"]) == (0, 0)


def ask(town: Town, what: str) -> Any:
    """What the ledger's simulator says of itself."""
    return httpx.get(f"{town.stage.xero}/sandbox/{what}", timeout=30).raise_for_status().json()


def counted(town: Town) -> dict[str, int]:
    """Events in the log, documents in the ledger, and entries without one or with several."""
    with open_house(str(town.path)) as house:
        log = house.event_store
        events = sum(log.high_water(one) for one in log.partitions())
        with house.books.connect() as connection:
            wanted = Counter(row.posting_key for row in books.entries(connection))
    found = Counter(key for _, _, key in documents(ask(town, "dump")))
    return {
        "events": events,
        "entries": wanted.total(),
        "lost": (wanted - found).total(),
        "doubled": (found - wanted).total(),
    }


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nothing_is_lost_or_doubled_with_the_log_on_kafka(tmp_path: Path) -> None:
    with tansu(tmp_path) as broker, recorded("whole-path-kafka") as facts:
        more = f'[log]\nurl = "kafka://{broker}/log"\n'
        with open_town_on(tmp_path, more) as town:
            check_whole_path(town, facts)
            with open_house(str(town.path)) as house:
                assert type(house.event_store).__name__ == "KafkaLog"
    assert not (tmp_path / ".conductor" / "log.sqlite").exists()


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.postgres
def test_nothing_is_lost_or_doubled_with_state_in_postgres(
    tmp_path: Path, postgres_fresh_url: str
) -> None:
    address = postgres_fresh_url.replace("postgresql://", "postgresql+psycopg://")
    more = f'[state]\nurl = "{address}"\n'
    with recorded("whole-path-postgres") as facts, open_town_on(tmp_path, more) as town:
        check_whole_path(town, facts)
    assert not list((tmp_path / ".conductor").glob("*.sqlite"))
