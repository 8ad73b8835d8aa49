"""The golden day with its state and its log on a real PostgreSQL."""

from pathlib import Path

import psycopg
import pytest
from demo_rig import assert_golden, play, recompute

pytestmark = pytest.mark.postgres


def test_the_golden_figures_are_the_same_on_postgres(postgres_url: str, tmp_path: Path):
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://", 1)
    demo = play(tmp_path / "kept", environ={"CONDUCTOR__STATE__URL": url})
    assert demo.done.returncode == 0, demo.done.stderr
    assert_golden(demo.ledger)
    assert recompute(demo.folder, demo.said).returncode == 0
    assert list((demo.folder / ".conductor").glob("*.sqlite")) == []
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("select count(*) from accounting_entry where state = 'posted'")
        assert found.fetchone() == (10,)
