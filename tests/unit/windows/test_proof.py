"""Where live figures are not those of the books, and what may differ without being wrong (INV-26)."""

import pyarrow as pa

from cloud_conductor.state.live import Late, Total
from cloud_conductor.state.proofs import Difference
from cloud_conductor.windows.proof import unlike


def total(department: str, net_minor: int, store: str = "NYC01") -> Total:
    return Total(store, department, "USD", 1, 0, 1, net_minor, 0, net_minor, 0)


def sold(**departments: int) -> pa.Table:
    names = list(departments)
    return pa.table(
        {
            "store": ["NYC01"] * len(names),
            "department": names,
            "net_minor": list(departments.values()),
            "is_sale": [True] * len(names),
        }
    )


def test_departments_are_compared_one_by_one():
    live = [total("Home", 700), total("Apparel", 500)]
    assert unlike(live, [], sold(Home=700, Apparel=500)) == []
    assert unlike(live, [], sold(Home=500, Apparel=700)) == [
        Difference("NYC01", "Apparel", 500, 700),
        Difference("NYC01", "Home", 700, 500),
    ]


def test_a_store_that_sold_before_its_products_were_known_is_compared_as_a_whole():
    live = [total("", 700), total("Apparel", 500)]
    assert unlike(live, [], sold(Home=700, Apparel=500)) == []
    assert unlike(live, [], sold(Home=701, Apparel=500)) == [Difference("NYC01", "*", 1200, 1201)]


def test_so_is_a_store_whose_sales_came_late():
    live, late = [total("Home", 700)], [Late("NYC01", "2026-11-20", "USD", 1, 50)]
    assert unlike(live, late, sold(Home=700, Apparel=50)) == []
