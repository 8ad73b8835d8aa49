"""Windows against facts: the live figures of a day are those of the books (INV-26). Pure."""

from collections.abc import Sequence

import pyarrow as pa

from cloud_conductor.state.live import Late, Total
from cloud_conductor.state.proofs import Difference


def unlike(totals: Sequence[Total], late: Sequence[Late], lines: pa.Table) -> list[Difference]:
    """Where a business day's windows are not its facts; empty when they agree.

    totals, late: of the day (state.live). lines: the day's enriched SALE_LINES. What came after a
    window closed is known per store only, and what was sold before its product was known stays
    without a department in its window: such stores are compared as a whole.
    """
    came_late: dict[str, int] = {}
    for one in late:
        came_late[one.store] = came_late.get(one.store, 0) + one.net_minor
    whole = came_late.keys() | {one.store for one in totals if not one.department}
    live: dict[tuple[str, str], int] = {(store, "*"): net for store, net in came_late.items()}
    for total in totals:
        key = (total.store, "*" if total.store in whole else total.department)
        live[key] = live.get(key, 0) + total.net_minor
    facts: dict[tuple[str, str], int] = {}
    sold = lines.filter(lines["is_sale"]).group_by(["store", "department"])
    for row in sold.aggregate([("net_minor", "sum")]).to_pylist():
        key = (row["store"], "*" if row["store"] in whole else row["department"] or "")
        facts[key] = facts.get(key, 0) + row["net_minor_sum"]
    return [
        Difference(*key, live.get(key, 0), facts.get(key, 0))
        for key in sorted(live.keys() | facts.keys())
        if live.get(key, 0) != facts.get(key, 0)
    ]
