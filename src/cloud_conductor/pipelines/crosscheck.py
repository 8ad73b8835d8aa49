"""The nightly check on the digests: every row of both sides is joined, whatever their sums say.

Levels settle by digests the store-days whose two sides are equal (pipelines.window). Unlike rows
have equal sums once in 2^64, so a difference found here is a mistake of ours.
"""

import logging
from collections.abc import Sequence
from datetime import date

import msgspec

from cloud_conductor.accounting import digests
from cloud_conductor.accounting.agreed import Way
from cloud_conductor.conform.span import span_facts
from cloud_conductor.domain.errors import ChecksumMismatch
from cloud_conductor.pipelines.close import CloseDeps, control_rows, windows
from cloud_conductor.pipelines.window import agreed_days, facts_of

log = logging.getLogger("conductor")

SHOWN_MAX = 5


class Checked(msgspec.Struct, frozen=True):
    """What was looked at. records: rows of both sides, joined; opened: of them, by digests."""

    dates: int = 0
    store_days: int = 0
    records: int = 0
    opened: int = 0


def crosscheck(deps: CloseDeps, dates: Sequence[date], *, way: Way = digests.compare) -> Checked:
    """Compare the sets of every store-day of `dates` both ways.

    Raises ChecksumMismatch naming store-days of which the two do not say the same. way: what is
    checked.
    """
    now = deps.clock.now()
    done, wrong = Checked(), list[str]()
    for window in windows(dates):
        with deps.lake_lock():
            whole = span_facts(deps.conform.lake, window)
        facts = facts_of(deps, whole, window, now)
        listed = control_rows(deps, deps.stores, window[0], window[-1])
        first, second = (agreed_days(facts, listed, one) for one in (way, digests.exactly))
        places = sorted(first.differing(second))
        wrong += [f"{facts.days[n].store} {facts.days[n].business_date}" for n in places]
        done = Checked(
            dates=done.dates + len(window),
            store_days=done.store_days + len(facts.days),
            records=done.records + second.compared,
            opened=done.opened + first.opened,
        )
    log.info("crosscheck.finished", extra={"fields": msgspec.structs.asdict(done)})
    if wrong:
        shown = ", ".join(wrong[:SHOWN_MAX])
        raise ChecksumMismatch(
            f"digests and the full join disagree on {len(wrong)} store-days: {shown}",
            hint="conductor reconcile --exactly",
        )
    return done
