"""What every place where exports land must do (ports.landing.LandingPlace).

Subclass `LandingContract` in a test file and give it two fixtures: `place`, empty at first, and `put`,
a function that writes a whole file at a path below it.
"""

from collections.abc import Callable

from cloud_conductor.ports.landing import LandingPlace

Put = Callable[[str, bytes], object]
NAME = "raw/sales/source=shop/date=2026-11-21/café sales+1.json"


class LandingContract:
    """The promises of the port, one test each."""

    def test_an_empty_place_has_no_files(self, place: LandingPlace) -> None:
        assert list(place.files()) == []

    def test_what_landed_is_read_byte_for_byte(self, place: LandingPlace, put: Put) -> None:
        put(NAME, b'[{"a": 1.10}]\n')
        (found,) = place.files()
        assert (found.path, found.size_bytes, found.is_complete) == (NAME, 14, True)
        assert place.read(found) == b'[{"a": 1.10}]\n'
        assert place.find(NAME) == found

    def test_files_are_sorted_and_others_are_left_out(self, place: LandingPlace, put: Put) -> None:
        for path in ("b.csv", "a.json", ".a.json", "_tmp/c.json", "a.json.part", "notes.txt"):
            put(path, b"[]")
        assert [one.path for one in place.files()] == ["a.json", "b.csv"]

    def test_a_changed_file_has_another_mark_and_is_not_read_as_the_old_one(
        self, place: LandingPlace, put: Put
    ) -> None:
        put("a.json", b"[1]")
        (before,) = place.files()
        put("a.json", b"[1, 2]")
        (after,) = place.files()
        assert after.mark != before.mark
        assert place.read(before) is None
        assert place.read(after) == b"[1, 2]"

    def test_a_file_that_is_not_there_is_not_found(self, place: LandingPlace) -> None:
        assert place.find("nothing.json") is None

    def test_addresses_tell_files_apart(self, place: LandingPlace) -> None:
        assert place.url("a.json") != place.url("b.json")
        assert "://" in place.url("a.json")
