"""Every lake keeps the port's promises."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.testing.lake import APP, LakeContract, OpenLake, rows, sale


class TestDeltaLake(LakeContract):
    @pytest.fixture
    def open_lake(self, tmp_path: Path) -> OpenLake:
        return lambda: DeltaLake(tmp_path / "it's a lake * é?")

    def test_what_a_dead_writer_left_goes_when_it_is_old(self, open_lake: OpenLake) -> None:
        """Written and never committed; a young one may be a living writer's."""
        lake = open_lake()
        lake.append("sales", rows("sales", sale("a")), app=APP, lo=0, hi=1)
        (used,) = lake.uris("sales")
        old, young = (Path(used).with_name(f"open-{name}.parquet") for name in ("old", "young"))
        for path in (old, young):
            path.write_bytes(b"torn")
        os.utime(old, (0, 0))
        os.utime(used, (0, 0))
        week_ago = datetime.fromtimestamp(young.stat().st_mtime, UTC) - timedelta(days=7)
        assert lake.vacuum("sales", before=week_ago) == {str(old): 4}
        assert (old.exists(), young.exists()) == (False, True)
        assert lake.read("sales")["sale_id"].to_pylist() == ["a"]

    @pytest.mark.parametrize("name", ["100%", "[1]", "a|b"])
    def test_a_folder_delta_would_misread_is_refused(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="Delta takes paths"):
            DeltaLake(tmp_path / name)
