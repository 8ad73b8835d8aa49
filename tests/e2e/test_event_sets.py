"""INV-16 by id finds what a count that trusts the cursor cannot (tests/e2e/event_sets)."""

from pathlib import Path

import msgspec
from event_sets import event_sets
from house_rig import open_town
from sqlalchemy import update

from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.events import NewEvent
from cloud_conductor.state.tables.conform import COUNT, CURSOR


def test_an_event_that_was_passed_over_is_lost_by_id_though_the_count_is_even(
    tmp_path: Path,
) -> None:
    with open_town(tmp_path, "golden") as town:
        town.close_due()
        house = town.house
        sets = event_sets(house)
        assert sets.rows
        assert sets.ignored | sets.older
        assert sets.processed == sets.received
        assert not sets.lost | sets.quarantined
        events = house.log.read("0", 0, 10_000)
        order = next(one for one in events if one.kind == "order" and one.channel == "api")
        name = msgspec.json.decode(order.body)["id"].encode()
        told = NewEvent(
            source=order.source,
            channel="api",
            kind="order",
            event_id="passed-over",
            merchant_id=order.merchant_id,
            received_us=order.received_us,
            body=order.body.replace(name, b"Another"),
            headers="{}",
            url=order.url,
        )
        house.log.append([told])
        with house.worker.begin() as connection:  # as a worker with a hole in it would
            connection.execute(update(CURSOR).values(seq=house.log.high_water("0")))
            connection.execute(
                update(COUNT).where(COUNT.c.outcome == "rows").values(events=COUNT.c.events + 1)
            )
        (count,) = conform.accounting_of_events(house.conform_deps).values()
        assert count.received == count.processed + count.quarantined + count.deduplicated
        assert event_sets(house).lost == {"square passed-over"}
