"""What names at the till mean, as an owner says it."""

import msgspec
import pytest

from cloud_conductor.domain.config import Config, MeaningsConfig
from cloud_conductor.domain.stores import Meanings, meaning_of

RULES = (("deposit", ("Layaway deposit*",)), ("donation", ("Donation", "Good cause*")))


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("Layaway deposit", "deposit"),
        ("LAYAWAY DEPOSIT no. 7", "deposit"),
        ("donation", "donation"),
        ("Donation box", None),
        (" good cause 2026 ", "donation"),
        ("", None),
        (None, None),
    ],
)
def test_a_name_is_compared_without_case_and_a_star_stands_for_any_end(name, meaning):
    assert meaning_of(RULES, name) == meaning


def test_meanings_without_names_are_left_out_of_the_rules():
    said = {
        "lines": {"donation": ["Donation"]},
        "paid_outs": {"drop": ["Safe drop*"]},
        "paid_ins": {"float": ["Float raised"]},
    }
    assert msgspec.convert(said, MeaningsConfig).rules() == Meanings(
        lines=(("donation", ("Donation",)),),
        paid_outs=(("drop", ("Safe drop*",)),),
        paid_ins=(("float", ("Float raised",)),),
    )


def test_an_unknown_meaning_is_refused():
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"tenders": {"bitcoin": ["Coins"]}}, MeaningsConfig)


def test_every_store_of_a_source_has_its_meanings():
    said = {
        "sources": {
            "square": {
                "vendor": "square",
                "base_url": "http://127.0.0.1",
                "token": "env:T",
                "meanings": {"tenders": {"house_account": ["House account"]}},
            }
        },
        "stores": {"NYC01": {"location": "L1", "time_zone": "America/New_York"}},
    }
    (store,) = msgspec.convert(said, Config).store_master()
    assert store.meanings.tenders == (("house_account", ("House account",)),)
