from pathlib import Path

import pytest

from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.testing.objects import ObjectsContract


class TestLocalObjects(ObjectsContract):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> LocalObjects:
        return LocalObjects(tmp_path / "store")

    @pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd"])
    def test_no_key_leads_out_of_the_store(self, objects: LocalObjects, key: str) -> None:
        with pytest.raises(ConfigError, match="leaves the store"):
            objects.create(key, b"")

    def test_an_unfinished_write_is_not_an_object(
        self, objects: LocalObjects, tmp_path: Path
    ) -> None:
        objects.create("a/b", b"")
        (tmp_path / "store" / "a" / ".partial-killed").write_bytes(b"half")
        assert list(objects.list("a/")) == ["a/b"]
