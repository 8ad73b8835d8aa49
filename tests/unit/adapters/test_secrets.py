from pathlib import Path

import pytest

from cloud_conductor.adapters.secrets.references import Secret, is_reference, resolve
from cloud_conductor.domain.errors import ConfigError, MissingExtra


class Drawer(dict[str, str]):
    """Sealed secrets, open."""


def test_a_secret_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC_TEST_TOKEN", "t-1")
    assert resolve("env:CC_TEST_TOKEN", root=tmp_path) == "t-1"


def test_a_secret_comes_from_a_file_beside_the_configuration(tmp_path: Path):
    (tmp_path / "token").write_text("t-2\n")
    assert resolve("file:token", root=tmp_path) == "t-2"
    assert resolve(f"file:{tmp_path / 'token'}", root=Path("/nowhere")) == "t-2"


def test_a_secret_comes_from_state_by_its_own_or_its_settings_name(tmp_path: Path):
    sealed = Drawer({"square.signature_key": "k-1", "other": "k-2"})
    assert resolve("state:other", root=tmp_path, sealed=sealed) == "k-2"
    bare = resolve("state:", root=tmp_path, sealed=sealed, name="square.signature_key")
    assert bare == "k-1"


@pytest.mark.parametrize("reference", ["env:CC_NOT_SET", "file:missing", "state:", "state:x"])
def test_a_reference_to_nothing_is_an_error_that_names_the_place(reference: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="is empty or does not exist"):
        resolve(reference, root=tmp_path, sealed=Drawer())


@pytest.mark.parametrize("value", ["EAAAl-plain-token", "https://x", "", "envelope:1"])
def test_a_plain_value_is_refused_and_not_repeated(value: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="by reference, not by value") as caught:
        resolve(value, root=tmp_path)
    assert not value or value not in str(caught.value)
    assert not is_reference(value)


def test_a_keyring_needs_its_package(tmp_path: Path):
    with pytest.raises(MissingExtra, match="keyring"):
        resolve("keyring:square/token", root=tmp_path)


def test_a_secret_prints_as_stars():
    secret = Secret("very-secret")
    assert (repr(secret), str(secret), f"{secret}") == ("***", "***", "***")
    assert secret.reveal() == "very-secret"
