"""What every object store must do (ports.objects.ObjectStore).

Subclass `ObjectsContract` and give it a fixture `objects`: an empty store.
"""

import threading

import pytest

from cloud_conductor.ports.objects import ObjectStore


class ObjectsContract:
    """The promises of the port, one test each."""

    def test_an_object_is_read_back_whole_and_in_ranges(self, objects: ObjectStore) -> None:
        assert objects.create("raw/a/b.bin", b"0123456789")
        assert objects.get("raw/a/b.bin") == b"0123456789"
        assert objects.get_range("raw/a/b.bin", 3, 4) == b"3456"

    def test_an_existing_object_is_never_overwritten(self, objects: ObjectStore) -> None:
        assert objects.create("a", b"first")
        assert not objects.create("a", b"second")
        assert objects.get("a") == b"first"

    def test_of_concurrent_creators_one_wins(self, objects: ObjectStore) -> None:
        won: list[int] = []
        threads = [
            threading.Thread(
                target=lambda n=n: won.append(n) if objects.create("a", b"%d" % n) else None
            )
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert objects.get("a") == b"%d" % won[0]

    def test_keys_are_listed_below_a_prefix_and_sorted(self, objects: ObjectStore) -> None:
        for key in ("raw/b/2", "raw/a/9", "raw/b/1", "rawer/1", "other"):
            objects.create(key, b"")
        assert list(objects.list("raw/")) == ["raw/a/9", "raw/b/1", "raw/b/2"]
        assert list(objects.list("raw/b/")) == ["raw/b/1", "raw/b/2"]
        assert list(objects.list("raw/b/2")) == ["raw/b/2"]
        assert list(objects.list("nothing/here")) == []
        assert len(list(objects.list(""))) == 5

    def test_deleting_is_idempotent(self, objects: ObjectStore) -> None:
        objects.create("a/b", b"")
        objects.delete("a/b")
        objects.delete("a/b")
        assert list(objects.list("")) == []

    def test_a_missing_object_is_an_error(self, objects: ObjectStore) -> None:
        with pytest.raises(FileNotFoundError):
            objects.get("not/there")
