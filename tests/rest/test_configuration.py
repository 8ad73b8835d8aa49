"""A running house and a conductor.toml that was changed since."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from shop_front import Caller, Front, said

from cloud_conductor.serve import supervisor
from cloud_conductor.wiring import config as loading


@pytest.fixture
def file(front: Front) -> Iterator[Path]:
    """The house's file while a worker runs with it; as it was at the end."""
    path: Path = front.house.path
    before = path.read_text()
    supervisor.announce(front.house.state_dir, "worker", loading.digest(path))
    yield path
    path.write_text(before)
    supervisor.role_file(front.house.state_dir, "worker").unlink()


def told(front: Front, owner: Caller) -> tuple[list[str], list[str]]:
    """What the console and the terminal say of it."""
    needs = said(front, "status", "--json")["needs_you"]
    shown: list[str] = owner.get("/status").json()["outdated_roles"]
    return shown, [one for one in needs if "was changed" in one]


def test_a_changed_file_is_told_until_the_roles_have_read_it(
    front: Front, owner: Caller, file: Path
) -> None:
    assert told(front, owner) == ([], [])
    file.write_text(f"{file.read_text()}\n[alerts]\nfresh_s_max = 1200.0\n")
    line = "conductor.toml was changed after worker started: restart conductor up"
    assert told(front, owner) == (["worker"], [line])
    supervisor.announce(front.house.state_dir, "worker", loading.digest(file))
    assert told(front, owner) == ([], [])


def test_a_comment_changes_nothing_and_a_torn_file_is_a_change(
    front: Front, owner: Caller, file: Path
) -> None:
    file.write_text(f"# a word\n{file.read_text()}")
    assert told(front, owner)[0] == []
    file.write_text("[alerts\n")
    assert owner.get("/status").json()["outdated_roles"] == ["worker"]
