"""Receipt numbers that never came, as breaks of the day on which the next one was rung up (D13)."""

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine

from cloud_conductor.accounting.breaks import Break, Scope
from cloud_conductor.domain.stores import Store
from cloud_conductor.ingest.flow_watch import ReceiptGap, receipt_gaps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sequence_breaks(
    engine: Engine, stores: Collection[Store]
) -> dict[tuple[str, date], list[Break]]:
    """Store-day -> the gaps that show on it. engine: the worker database.

    A gap has no amount: nobody knows what was on the receipts. It is gone once they have come.
    """
    of_place = {(store.source, store.location_id): store for store in stores}
    found: dict[tuple[str, date], list[Break]] = defaultdict(list)
    for gap in receipt_gaps(engine):
        store = of_place.get((gap.source, gap.place))
        if store is not None:
            on = store.business_date(EPOCH + timedelta(microseconds=gap.until_us))
            scope = Scope(store=store.store, business_date=on, currency=store.currency)
            found[store.store, on].append(_break(scope, gap))
    return dict(found)


def _break(scope: Scope, gap: ReceiptGap) -> Break:
    numbers = str(gap.first) if gap.count == 1 else f"{gap.first} to {gap.last}"
    message = (
        f"register {gap.register}: receipts {numbers} never came, {gap.count} in all;"
        f" {gap.last + 1} did"
    )
    return scope.found(
        "L2", "D13", f"receipts:{gap.register}:{gap.first}", message, left="", right=numbers
    )
