"""The log lets go of what is safe elsewhere; everything can still be done again (INV-14, INV-16)."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema_rs
from click.testing import CliRunner
from fault_rig import open_faulty

from cloud_conductor.cli.main import conductor
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.pipelines import close
from cloud_conductor.pipelines.retention import Retention, Vacuum
from cloud_conductor.sandbox.square.orders import touch
from cloud_conductor.state import accounting as books
from cloud_conductor.wiring import replaying

ROOT = Path(__file__).parents[2]


def test_a_pruned_log_replays_to_the_same_content_and_counts_the_same(tmp_path: Path) -> None:
    with open_faulty(tmp_path, square={"duplicate": 0.3}) as town:
        house = town.house
        kept = house.event_store.high_water("0")
        keep = timedelta(days=1)
        later = house.clock.now() + timedelta(days=40)
        retention = Retention(house.close_deps, house.event_store, keep=keep)
        assert retention.run(later) == 0, "nothing is conformed, archived and sealed yet"
        town.through()
        counted = conform.accounting_of_events(house.conform_deps)
        assert retention.run(house.clock.now()) == 0, "everything is young"
        dropped = retention.run(later)
        assert dropped >= kept - 1
        assert len(house.event_store.read("0", 0, 10_000)) < 10
        assert conform.accounting_of_events(house.conform_deps) == counted
        replayed = replaying.verify(house, str)
        assert replayed["different"] == []
        assert replayed["identical"] > 10
        town.check_books()


def test_files_a_seal_replaced_leave_the_lake_when_they_are_old(tmp_path: Path) -> None:
    """Of days that are sealed; nothing that is read changes, and the audit chain says what went."""
    with open_faulty(tmp_path) as town:
        house = town.house
        close.refresh(house.close_deps)
        replaced = {uri for table in PARTITIONED for uri in house.lake.uris(table)}
        later = datetime.now(UTC) + timedelta(days=8)
        vacuum = Vacuum(house.close_deps, keep=timedelta(days=7))
        assert vacuum.run(later).files == 0, "the days are open"
        town.through()
        assert vacuum.run(datetime.now(UTC)).files == 0, "a reader may still have them"
        live = {uri for table in PARTITIONED for uri in house.lake.uris(table)}
        meant = vacuum.run(later, dry_run=True)
        assert meant.files >= len(replaced - live) > 0
        assert all(Path(uri).exists() for uri in replaced)
        assert vacuum.run(later) == meant
        assert not any(Path(uri).exists() for uri in replaced - live)
        assert vacuum.run(later).files == 0
        with house.books.connect() as connection:
            records = [json.loads(one.record) for one in books.audit_rows(connection)]
        (told,) = [one for one in records if one["act"] == "lake.vacuumed"]
        assert told["actor"] == "service:worker"
        assert told["reason"].startswith(f"{meant.files} files of {meant.bytes} bytes")
        assert replaying.verify(house, str)["different"] == []
        town.check_books()
        command = ["run", "vacuum", "--dry-run", "--json", "--config", str(house.path)]
        answer = json.loads(CliRunner().invoke(conductor, command, catch_exceptions=False).stdout)
        assert answer["dry_run"] == {"files": 0, "bytes": 0}
        schema = json.loads((ROOT / "docs/reference/schemas/run.json").read_text("utf-8"))
        jsonschema_rs.validate(schema, answer)


def test_an_open_day_holds_its_events_in_the_log(tmp_path: Path) -> None:
    with open_faulty(tmp_path) as town:
        house = town.house
        town.through()
        seller = town.seller.state
        seller.clock.set(seller.clock.now() + timedelta(minutes=1))
        touch(seller, next(iter(seller.table("orders").values())))
        town.again(lambda: close.refresh(house.close_deps))
        retention = Retention(house.close_deps, house.event_store, keep=timedelta(days=1))
        retention.run(house.clock.now() + timedelta(days=40))
        first = min(house.lake.read("sales", columns=["log_seq"])["log_seq"].to_pylist())
        (oldest,) = house.event_store.read("0", 0, 1)
        assert 1 < oldest.seq <= first, "the day is open again: its events stay"
