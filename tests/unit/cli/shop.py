"""A shop between the two simulators, driven through the command line alone, as a stranger would."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from cloud_conductor.cli.main import main
from cloud_conductor.cli.rehearsal import Plan, Stage

ROOT = Path(__file__).resolve().parents[3]
CONDUCTOR = Path(sys.executable).with_name("conductor")
SCHEMAS = ROOT / "docs" / "reference" / "schemas"
NOW = "2026-11-26T12:00:00+00:00"
ANSWER_S_MAX = 90
CREDENTIALS = {
    "SQUARE_TOKEN": "sandbox-square-token",
    "XERO_CLIENT_ID": "sandbox-xero-client",
    "XERO_CLIENT_SECRET": "sandbox-xero-secret",
}


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object on the last line of stdout."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


@dataclass
class Shop:
    """A project folder. Commands run without a terminal: none may wait for an answer."""

    folder: Path
    square: str = ""
    xero: str = ""
    environment: dict[str, str] = field(default_factory=lambda: dict(CREDENTIALS))

    def conductor(self, *words: str, **environment: str) -> Answer:
        quiet = {"NO_COLOR": "1", "CI": "1", "COLUMNS": "100"}
        done = subprocess.run(
            [CONDUCTOR, *words],
            cwd=self.folder, env=os.environ | quiet | self.environment | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=ANSWER_S_MAX,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)


class Inside(Shop):
    """Commands in this very process, because a process each would take a second each."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        super().__init__(folder)
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)

    def conductor(self, *words: str, **environment: str) -> Answer:
        with self._monkeypatch.context() as patch:
            for name, value in (self.environment | environment).items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as stopped:
                main(list(words))
        out, err = self._capsys.readouterr()
        return Answer(int(stopped.value.code or 0), out, err)


@contextmanager
def golden_shop(folder: Path) -> Iterator[Shop]:
    """The golden day traded at the simulators, and a project that `init` made for them."""
    stage = Stage(Plan(scenario="golden", seed=1, stores=1, days=2), folder / "stage")
    try:
        stage.play()
        shop = Shop(folder, stage.square, stage.xero)
        made = shop.conductor(
            "init", ".", "--square-url", stage.square, "--xero-url", stage.xero, "--bank-lines",
            "--cutoff", "04:00", "--rehearsal", NOW,
        )  # fmt: skip
        assert made.code == 0, made.err
        yield shop
    finally:
        stage.stop()


def check(found: dict[str, Any]) -> None:
    """Raises unless the object is what its published schema says."""
    name = found["schema"].removeprefix("conductor.").removesuffix("/v1")
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(found)
