"""Every lake keeps the port's promises."""

from pathlib import Path

import pytest

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.testing.lake import LakeContract, OpenLake


class TestDeltaLake(LakeContract):
    @pytest.fixture
    def open_lake(self, tmp_path: Path) -> OpenLake:
        return lambda: DeltaLake(tmp_path / "it's a lake * é?")

    @pytest.mark.parametrize("name", ["100%", "[1]", "a|b"])
    def test_a_folder_delta_would_misread_is_refused(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="Delta takes paths"):
            DeltaLake(tmp_path / name)
