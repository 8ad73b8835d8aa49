"""Exports in a folder: taken once, never half, and a bad one harms no other."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine

from cloud_conductor.adapters.landing.folder import FolderPlace
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.adapters.pos.files import FilesDecoder
from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.ingest.flow_landing import Landing, LandingDeps, run_landing
from cloud_conductor.state import ingest as sweeps
from cloud_conductor.state import landing as state
from cloud_conductor.state.migrate import tables_of
from cloud_conductor.wiring.landing import _problem
from exports import CSV, NYC, sale, text

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Machine:
    """The machine's clock, an hour after every file was written unless a test says otherwise."""

    ahead = timedelta(hours=1)

    def now(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def shop(tmp_path):
    """Deps with one source `shop` over a folder, and what a test needs to look at."""
    engine = create_engine(f"sqlite:///{tmp_path}/worker.sqlite")
    tables_of("worker").create_all(engine)
    log = SqliteLog(tmp_path / "log.sqlite")
    folder = tmp_path / "landing"
    folder.mkdir()
    yield Shop(tmp_path, folder, engine, log)
    log.close()
    engine.dispose()


class Shop:
    def __init__(self, root, folder, engine, log):
        self.root, self.folder, self.engine, self.log = root, folder, engine, log
        self.clock = Machine()
        self.policy, self.is_first, self.step = "record", True, lambda _: None
        self.file_bytes_max = 1 << 20

    def deps(self):
        landing = Landing(
            place=FolderPlace(self.folder, self.clock, settle=timedelta(seconds=5)),
            policy=self.policy,
            file_bytes_max=self.file_bytes_max,
            is_first=self.is_first,
            problem=_problem(FilesDecoder(), {NYC.location_id: NYC}),
        )
        raw = LocalObjects(self.root / "lake")
        return LandingDeps(self.log, self.engine, raw, {"shop": landing}, self.step)

    def put(self, path, data):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def look(self, now=NOW):
        return run_landing(self.deps(), now)

    def events(self):
        return self.log.read("0", 0)


def test_both_layouts_are_taken_with_their_records_in_order(shop):
    shop.put("sales_20261121_233000.json", text(sale("a"), sale("b")))
    shop.put("raw/sales/source=shop/date=2026-11-22/part-0.csv", CSV)
    looked = shop.look()
    assert (looked.files, looked.records, looked.new) == (2, 4, 4)
    assert [event.kind for event in shop.events()] == ["sales"] * 4
    first = shop.events()[2]
    assert json.loads(first.body) == sale("a")
    header = json.loads(first.headers)
    assert (header["file"], header["row"]) == ("sales_20261121_233000.json", 1)
    assert first.url.startswith("file:///")
    assert first.url.endswith("#row=1")
    raw = sorted((shop.root / "lake" / "raw" / "landed").rglob("*.*"))
    assert {file.suffix for file in raw} == {".json", ".csv"}


def test_a_file_that_nobody_takes_is_named_until_it_is_renamed(shop):
    stray = shop.put("sale_20261121_233000.json", text(sale("a")))
    shop.put("raw/sales/source=shopp/date=2026-11-22/part-0.csv", CSV)
    shop.put("sales_1.json.part", b"")
    looked = shop.look()
    assert (looked.files, looked.unknown) == (0, 2)
    named = {row.path: (row.state, row.problem) for row in state.files(shop.engine)}
    assert named == {
        "raw/sales/source=shopp/date=2026-11-22/part-0.csv": (
            "unknown", "its path names the source shopp; there is no [landing.shopp]"
        ),
        "sale_20261121_233000.json": (
            "unknown", "its path names no dataset; there is: products, sales"
        ),
    }  # fmt: skip
    assert shop.look().unknown == 0, "said once"
    stray.rename(stray.with_name("sales_20261121_233000.json"))
    looked = shop.look()
    assert (looked.files, looked.unknown) == (1, 0)
    assert sorted(state.unknown(shop.engine, "shop")) == [
        "raw/sales/source=shopp/date=2026-11-22/part-0.csv"
    ]


def test_a_file_is_taken_once_and_again_when_it_has_changed(shop):
    file = shop.put("sales_1.json", text(sale("a")))
    assert shop.look().new == 1
    assert shop.look().files == 0
    file.write_bytes(text(sale("a"), sale("b")))
    looked = shop.look()
    assert (looked.files, looked.new) == (1, 2), "the rows of another content are other rows"


def test_records_that_say_when_they_changed_are_known_again_in_any_file(shop):
    old = sale("a", updated_at="2026-11-21T18:00:00Z")
    shop.put("sales_1.json", text(old))
    shop.look()
    shop.put("sales_2.json", text(old, sale("b", updated_at="2026-11-21T19:00:00Z")))
    looked = shop.look()
    assert (looked.records, looked.new) == (2, 1)


def test_the_same_bytes_under_another_name_are_duplicates(shop):
    shop.put("sales_1.json", text(sale("a")))
    shop.put("copy/sales_2.json", text(sale("a")))
    looked = shop.look()
    assert (looked.files, looked.new) == (2, 1)
    assert len(shop.log.duplicates(0)) == 1


def test_a_file_that_is_still_being_written_is_left_alone(shop):
    shop.clock.ahead = timedelta(0)
    shop.put("sales_1.json", text(sale("a"))[:40])
    assert shop.look().files == 0
    shop.put("sales_1.json", text(sale("a")))
    shop.clock.ahead = timedelta(seconds=6)
    assert shop.look().new == 1


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_look(shop):
    file = shop.put("sales_1.json", text(sale("a")))
    place = FolderPlace(shop.folder, shop.clock, settle=timedelta(seconds=5))
    (seen,) = place.files()
    file.write_bytes(text(sale("a"), sale("b")))
    assert place.read(seen) is None


def test_names_in_the_making_and_unknown_datasets_are_not_touched(shop):
    for name in (".sales_1.json", "sales_1.json.part", "_SUCCESS", "notes.json", "staff_1.csv"):
        shop.put(name, text(sale("a")))
    looked = shop.look()
    assert looked == type(looked)(unknown=2)
    assert [row.path for row in state.files(shop.engine)] == ["notes.json", "staff_1.csv"]
    assert shop.events() == []


def test_a_file_that_names_another_source_is_not_ours(shop):
    shop.put("raw/sales/source=other/date=2026-11-22/1.json", text(sale("a")))
    assert shop.look().files == 0
    shop.is_first = False
    shop.put("sales_1.json", text(sale("a")))
    assert shop.look().files == 0, "another section reads the same folder before us"


def test_under_policy_record_a_bad_record_goes_on_alone(shop):
    shop.put("sales_1.json", text(sale("a"), sale("b", total="1.00"), sale("c")))
    assert shop.look().new == 3


def test_under_policy_file_a_bad_record_holds_the_whole_file(shop):
    shop.policy = "file"
    data = text(sale("a"), sale("b", total="1.00"), sale("c"))
    shop.put("sales_1.json", data)
    shop.put("sales_2.json", text(sale("d")))
    looked = shop.look()
    assert (looked.files, looked.whole, looked.new) == (2, 1, 2)
    assert next((one.kind, one.body) for one in shop.events()) == ("sales.file", data)
    (held, taken) = state.files(shop.engine)
    assert (held.state, taken.state) == ("whole", "taken")
    assert "1 of 3 records, first /total" in held.problem


def test_a_torn_file_is_one_event_with_its_bytes(shop):
    data = text(sale("a"))[:-5]
    shop.put("sales_1.json", data)
    assert shop.look().whole == 1
    assert shop.events()[0].body == data


def test_a_torn_file_too_large_for_an_event_is_quarantined_by_name(shop, monkeypatch):
    monkeypatch.setattr("cloud_conductor.ingest.landing.WHOLE_BYTES_MAX", 100)
    shop.put("sales_1.json", text(sale("a"))[:-5])
    assert shop.look().whole == 1
    (event,) = shop.events()
    assert json.loads(event.body)["file"] == "sales_1.json"
    placed = FilesDecoder().decode([event], {NYC.location_id: NYC}, {})
    assert placed.rejected[0].findings[0].code == "contract"


def test_a_file_beyond_the_limit_is_named_and_not_taken(shop):
    shop.file_bytes_max = 10
    shop.put("sales_1.json", text(sale("a")))
    assert shop.look().refused == 1
    assert shop.look().refused == 0, "it is said once"
    assert "at most 10" in state.files(shop.engine)[0].problem


def test_a_folder_that_is_gone_is_an_outage_that_is_written_down(shop):
    shop.folder.rmdir()
    with pytest.raises(VendorUnavailable, match="not there"):
        shop.look()
    assert "not there" in sweeps.sweep_state(shop.engine, "shop", "landing").last_error


def test_a_look_is_due_after_the_interval(shop):
    shop.put("sales_1.json", text(sale("a")))
    shop.look(NOW)
    shop.put("sales_2.json", text(sale("b")))
    soon, later = NOW + timedelta(seconds=9), NOW + timedelta(seconds=10)
    assert run_landing(shop.deps(), soon, only_due=True).files == 0
    assert run_landing(shop.deps(), later, only_due=True).files == 1


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("border", ["raw", "append", "appended", "note"])
def test_a_look_killed_at_any_write_loses_nothing_and_doubles_nothing(shop, border):
    records = [sale(f"s{n}") for n in range(1_200)]
    shop.put("sales_1.json", text(*records))

    def kill(step):
        if step == border:
            raise _Killed

    shop.step = kill
    with pytest.raises(_Killed):
        shop.look()
    shop.step = lambda _: None
    shop.look()
    after, seen = 0, []
    while page := shop.log.read("0", after):
        seen += [json.loads(event.body)["sale_id"] for event in page]
        after = page[-1].seq
    assert seen == [record["sale_id"] for record in records]
