import pytest

from cloud_conductor.domain.findings import CONTRACT, UNKNOWN_STORE, Finding


@pytest.mark.parametrize(
    ("pointer", "group"),
    [
        ("/line_items/0/quantity", "contract:/line_items/#/quantity"),
        ("/line_items/12/quantity", "contract:/line_items/#/quantity"),
        ("/line_items/12/taxes/3/name", "contract:/line_items/#/taxes/#/name"),
        ("", "contract:"),
    ],
)
def test_records_broken_the_same_way_share_a_group(pointer, group):
    assert Finding(CONTRACT, pointer, "quantity is not a number").group == group


def test_different_codes_are_different_groups():
    assert Finding(CONTRACT, "/a", "").group != Finding(UNKNOWN_STORE, "/a", "").group


def test_a_finding_is_an_error_unless_it_says_otherwise():
    assert Finding(CONTRACT, "", "").severity == "error"
