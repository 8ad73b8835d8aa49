"""How long a ledger's own limits make a posting run take, whatever our compute time is. Pure.

Limits: "OAuth 2.0 API limits" and "Accounting API" (Xero Developer): 60 calls a minute and 5,000 a
day per organisation, 50 documents a call in practice, 1,000 of them on a page that is read.
"""

import msgspec

MINUTE_S = 60
DAY_S = 86_400


class ApiLimits(msgspec.Struct, frozen=True):
    """What one organisation allows. documents_per_page: how many a read gives back."""

    calls_per_minute: int = 60
    calls_per_day: int = 5_000
    documents_per_call: int = 50
    documents_per_page: int = 1_000


XERO = ApiLimits()


class ApiBound(msgspec.Struct, frozen=True):
    """What `documents` cost at a ledger. calls: writes, and the pages of one read-back.

    elapsed_s: from the first call to the last, days spent waiting for the next allowance included.
    stores_max: how many stores one organisation can take on day after day; 0 when not even one.
    """

    way: str
    documents: int
    calls: int
    elapsed_s: int
    stores_max: int

    @property
    def minutes(self) -> float:
        return self.elapsed_s / MINUTE_S

    @property
    def days(self) -> float:
        return self.elapsed_s / DAY_S


def api_bound(
    documents: int,
    store_days: int,
    *,
    way: str = "a document per store, day and kind; 50 a call",
    limits: ApiLimits = XERO,
    other_calls_per_day: int = 0,
) -> ApiBound:
    """Calls and time of posting `documents` of `store_days` store-days and reading them back once.

    other_calls_per_day: what is asked besides (comparisons, lock dates), of each day's allowance.
    Raises ValueError when nothing of the allowance is left.
    """
    daily = limits.calls_per_day - other_calls_per_day
    if daily <= 0:
        raise ValueError(f"{other_calls_per_day} other calls use up {limits.calls_per_day} a day")
    calls = _ceil(documents, limits.documents_per_call) + _ceil(
        documents, limits.documents_per_page
    )
    # Calls of one store-day x store_days, exactly: documents x (1/per call + 1/per page).
    per_pair = limits.documents_per_call * limits.documents_per_page
    weight = documents * (limits.documents_per_call + limits.documents_per_page)
    return ApiBound(
        way=way,
        documents=documents,
        calls=calls,
        elapsed_s=_elapsed_s(calls, daily, limits.calls_per_minute),
        stores_max=daily * store_days * per_pair // weight if weight else 0,
    )


def api_ways(
    documents: int,
    store_days: int,
    *,
    store_months: int,
    kinds: int,
    limits: ApiLimits = XERO,
    other_calls_per_day: int = 0,
) -> tuple[ApiBound, ...]:
    """The same books posted in other ways: as it is, without batching, and per store-month.

    store_months: pairs of a store and a month in which it traded. kinds: how many kinds of entries
    there are; a month's document is a store's days of one kind added up, at most one of each.
    """

    def bound(way: str, count: int, with_limits: ApiLimits = limits) -> ApiBound:
        return api_bound(
            count,
            store_days,
            way=way,
            limits=with_limits,
            other_calls_per_day=other_calls_per_day,
        )

    one_by_one = msgspec.structs.replace(limits, documents_per_call=1)
    monthly = min(documents, kinds * store_months)
    return (
        bound(f"a document per store, day and kind; {limits.documents_per_call} a call", documents),
        bound("the same, one document a call", documents, one_by_one),
        bound("a document per store, month and kind", monthly),
    )


def _elapsed_s(calls: int, daily: int, per_minute: int) -> int:
    """Whole allowances take a day each; what is left goes at the minute's pace."""
    days, rest = divmod(max(0, calls - 1), daily)
    return days * DAY_S + _ceil((rest + 1 if calls else 0) * MINUTE_S, per_minute)


def _ceil(number: int, parts: int) -> int:
    return -(-number // parts)
