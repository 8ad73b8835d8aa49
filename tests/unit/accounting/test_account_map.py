import pytest

from cloud_conductor.accounting.mapping import ROLES, AccountMap, Resolved, label, slug, version_of
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.findings import Finding


def test_the_exact_rule_wins_over_any_wildcard():
    accounts = AccountMap.of({"sales.*": "204", "sales.apparel": "200"}, "7")
    assert accounts.resolve("sales.apparel") == Resolved("sales.apparel", "200")
    assert accounts.resolve("sales.toys") == Resolved("sales.*", "204")


def test_the_longest_wildcard_wins():
    accounts = AccountMap.of({"sales.*": "204", "sales.food.*": "205"}, "1")
    assert accounts.resolve("sales.food.fruit") == Resolved("sales.food.*", "205")


def test_an_unmapped_role_is_a_finding_d10_that_names_it_and_never_suspense():
    gap = AccountMap.of({"sales.apparel": "200"}, "1").resolve("sales.toys")
    assert isinstance(gap, Finding)
    assert (gap.code, gap.pointer, gap.severity) == ("D10", "/mapping/sales.toys", "error")
    assert "sales.toys" in gap.message


@pytest.mark.parametrize("rule", ["*", "sale.apparel", "sales", "bank.*", "sales.*.x", "sales."])
def test_a_rule_no_role_can_match_is_refused(rule):
    with pytest.raises(ConfigError, match=r"CC-201"):
        AccountMap.of({rule: "200"}, "1")


def test_a_rule_without_an_account_is_refused():
    with pytest.raises(ConfigError, match=r"sales\.apparel"):
        AccountMap.of({"sales.apparel": ""}, "1")


def test_accounts_of_a_root_are_the_control_accounts_of_it():
    accounts = AccountMap.of({"clearing.square": "110", "bank": "090", "sales.*": "200"}, "1")
    assert accounts.accounts("clearing", "bank") == {"110", "090"}
    assert accounts.accounts() == {"110", "090", "200"}


def test_the_version_of_a_map_names_its_rules_in_any_order_r_15_4():
    rules = {"bank": "090", "sales.*": "200"}
    same = version_of(dict(reversed(rules.items())), "2")
    assert version_of(rules, "2") == same
    assert same.startswith("2+")
    assert version_of({**rules, "bank": "091"}, "2") != same


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café", "cafe"),
        ("Window cleaner", "window_cleaner"),
        ("  Home & Garden ", "home_garden"),
        (None, "uncategorised"),
        ("", "uncategorised"),
        ("食品", "uncategorised"),
    ],
)
def test_a_slug_is_lower_case_ascii(text, expected):
    assert slug(text) == expected


def test_labels_read_as_account_names():
    assert label("discounts.*") == "Discounts given"
    assert label("sales.apparel") == "Sales - apparel"
    assert label("gift_card_liability", "sold") == "Gift card liability (sold)"


def test_every_role_of_the_catalogue_can_be_mapped():
    for role in ROLES:
        rule = role.partition("{")[0] + "x" if "{" in role else role
        assert isinstance(AccountMap.of({rule: "1"}, "1").resolve(rule), Resolved)
