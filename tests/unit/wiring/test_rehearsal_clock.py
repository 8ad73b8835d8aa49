"""Processes of one rehearsal agree on what time it is, however they start."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_conductor.domain.config import ClockConfig, Config
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.wiring.house import clock_of

START = "2026-11-24T12:00:00Z"


def rehearsal(folder: Path, start: str = START) -> Config:
    return Config(clock=ClockConfig(start=start), root=str(folder))


def test_a_process_that_comes_later_reads_the_clock_of_the_first(tmp_path: Path) -> None:
    first = clock_of(rehearsal(tmp_path))
    second = clock_of(rehearsal(tmp_path))
    assert abs(second.now() - first.now()) < timedelta(seconds=1)
    assert first.now() - datetime(2026, 11, 24, 12, tzinfo=UTC) < timedelta(minutes=1)
    assert [one.name for one in (tmp_path / ".conductor").iterdir()] == ["rehearsal-began"]


def test_the_first_that_asked_decides(tmp_path: Path) -> None:
    began = tmp_path / ".conductor" / "rehearsal-began"
    began.parent.mkdir()
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    began.write_text(hour_ago.isoformat())
    now = clock_of(rehearsal(tmp_path)).now()
    ran = now - datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert timedelta(hours=1) <= ran < timedelta(hours=1, minutes=1)
    assert began.read_text() == hour_ago.isoformat()


def test_a_start_without_an_offset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="offset"):
        clock_of(rehearsal(tmp_path, "2026-11-24T12:00:00"))
