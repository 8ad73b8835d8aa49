"""Replay by command: only what was conformed is compared, and silence is not green (INV-23)."""

import re

from shop import Inside, check

from cloud_conductor.ingest.flow_landing import run_landing
from cloud_conductor.wiring import replaying
from cloud_conductor.wiring.house import open_house
from exports import sale, text

CONFIG = """
[landing.shop]
path = "landing"
settle_s = 0

[stores.NYC01]
location = "S-1"
source = "shop"
time_zone = "America/New_York"

[clock]
start = "2026-11-23T12:00:00Z"
"""


def _open(shop: Inside) -> None:
    (shop.folder / "conductor.toml").write_text(CONFIG)
    (shop.folder / "landing").mkdir()


def _land(shop: Inside, number: int) -> None:
    export = text(sale(f"T-{number}"))
    (shop.folder / "landing" / f"sales_{number}.json").write_bytes(export)


def _ingest(shop: Inside) -> None:
    with open_house(str(shop.folder)) as house:
        assert run_landing(house.landing_deps, house.clock.now()).new == 1


def test_what_is_not_conformed_yet_waits_and_is_not_different(empty: Inside) -> None:
    _open(empty)
    _land(empty, 1)
    assert empty.conductor("landing", "take").code == 0
    _land(empty, 2)
    _ingest(empty)
    answer = empty.conductor("replay", "--json")
    assert answer.code == 0, answer.out
    check(answer.json)
    assert answer.json["identical"] > 0
    assert (answer.json["different"], answer.json["waiting"]) == ([], 1)
    said = empty.conductor("replay").out
    assert "1 events wait to be conformed: conductor run conform" in said
    assert empty.conductor("run", "conform").code == 0
    assert empty.conductor("replay", "--json").json["waiting"] == 0


def test_what_is_conformed_while_the_log_is_replayed_is_compared_too(empty: Inside) -> None:
    _open(empty)
    _land(empty, 1)
    assert empty.conductor("landing", "take").code == 0
    _land(empty, 2)
    taken = []

    def tell(said: str) -> None:
        if said.startswith("batch") and not taken:
            taken.append(empty.conductor("landing", "take").code)

    with open_house(str(empty.folder)) as house:
        result = replaying.verify(house, tell)
    assert taken == [0]
    assert result["identical"] > 0
    assert (result["different"], result["waiting"]) == ([], 0)


def test_a_rebuild_says_how_much_the_old_zone_lacked(empty: Inside) -> None:
    _open(empty)
    _land(empty, 1)
    assert empty.conductor("landing", "take").code == 0
    _land(empty, 2)
    _ingest(empty)
    answer = empty.conductor("replay", "--rebuild", "--yes", "--json")
    check(answer.json)
    assert answer.json["waiting"] == 1
    assert "sales 2026-11-21" in answer.json["different"]
    assert empty.conductor("replay").code == 0


def test_nothing_to_replay_is_said_and_not_green(empty: Inside) -> None:
    _open(empty)
    answer = empty.conductor("replay")
    assert (answer.code, answer.out) == (4, "nothing to replay: the event log is empty\n")
    _land(empty, 1)
    assert empty.conductor("landing", "take").code == 0
    before = empty.conductor("replay", "--to", "2026-11-01")
    told = "nothing to compare: there are no facts of these dates\n"
    assert (before.code, before.out) == (4, told)
    whole = empty.conductor("replay", "--from", "2026-11-21", "--to", "2026-11-21")
    assert re.fullmatch(r"[1-9]\d* table-days identical, 0 different\n", whole.out)
    assert whole.code == 0


def test_dates_in_the_wrong_order_are_wrong_use(empty: Inside) -> None:
    answer = empty.conductor("replay", "--from", "2026-11-30", "--to", "2026-11-01")
    assert (answer.code, answer.out) == (2, "")
    assert "--from must not be after --to" in answer.err
