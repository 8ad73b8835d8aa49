"""The log lets go of what is safe elsewhere; everything can still be done again (INV-14, INV-16)."""

from datetime import timedelta
from pathlib import Path

from fault_rig import open_faulty

from cloud_conductor.conform import flow as conform
from cloud_conductor.pipelines import close
from cloud_conductor.pipelines.retention import Retention
from cloud_conductor.sandbox.square.orders import touch
from cloud_conductor.wiring import replaying


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
