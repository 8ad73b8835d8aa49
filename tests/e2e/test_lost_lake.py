"""A lake whose files are gone is not a lake in which nothing was sold."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from house_rig import open_town

from cloud_conductor.domain.errors import CursorGap
from cloud_conductor.pipelines import close
from cloud_conductor.wiring import replaying

DAY = date(2026, 11, 21)


def test_a_lost_lake_is_refused_everywhere_and_a_rebuild_brings_the_same_books(tmp_path: Path):
    with open_town(tmp_path, "golden") as town:
        town.close_due()
        town.post()
        before = town.entries()
        (tmp_path / "lake" / "processed").rename(tmp_path / "lost")
        town.house.__dict__.pop("lake")
        for name in ("conform_deps", "close_deps", "score"):
            town.house.__dict__.pop(name, None)
        deps = town.house.close_deps
        for act in (
            lambda: close.due_dates(deps, town.house.clock.now()),
            lambda: close.close_date(deps, DAY),
            lambda: town.house.query("select count(*) from sales"),
            lambda: close.catch_up(deps),
        ):
            with pytest.raises(CursorGap, match="files of the lake are gone") as caught:
                act()
            assert "replay --rebuild" in caught.value.fix
        replaying.rebuild(town.house, str)
        shutil.rmtree(tmp_path / "lost")
        for name in ("lake", "conform_deps", "close_deps", "score"):
            town.house.__dict__.pop(name, None)
        close.close_date(town.house.close_deps, DAY)
        assert town.entries() == before
        assert town.reconcile().is_green
