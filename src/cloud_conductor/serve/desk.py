"""What every answer stands on: the house, who asks, and readers that threads may use side by side.

Answers are worked out in a small pool of threads, beside the loop that takes webhooks. A lake's
handles belong to one thread, so each thread has its own.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.stores import Store
from cloud_conductor.governance.access import Principal
from cloud_conductor.serve.errands import Errands
from cloud_conductor.wiring.house import House

log = logging.getLogger("conductor")

Found = TypeVar("Found")
THREADS = 4
KEPT_MAX = 512


class Desk:
    """One per process. `boot` tells this process's streams from an earlier one's."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.boot = secrets.token_hex(4)
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="answer")
        self._local = threading.local()
        self._kept: dict[Hashable, tuple[Hashable, Any]] = {}
        self._lock = threading.Lock()
        self._names: Mapping[str, str] | None = None
        # Made here, in one thread: what is made on first use may be made twice by two.
        self.clock = house.clock
        self.books, self.worker, self.log = house.books, house.worker, house.log
        self.stores: tuple[Store, ...] = house.stores
        self.errands = Errands(self.clock)
        self.access = house.access_deps
        self.inventory = house.inventory_deps

    @property
    def lake(self) -> DeltaLake:
        """The processed zone, read by this thread."""
        lake: DeltaLake | None = getattr(self._local, "lake", None)
        if lake is None:
            lake = self._local.lake = self.house.open_lake()
        return lake

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @cached_property
    def currencies(self) -> tuple[str, ...]:
        return tuple(sorted({one.currency for one in self.stores}))

    def store(self, code: str) -> Store | None:
        return next((one for one in self.stores if one.store == code), None)

    def current_date(self, stores: tuple[str, ...] = ()) -> date:
        """The business date that is going on: the earliest over the stores."""
        chosen = [one for one in self.stores if not stores or one.store in stores] or self.stores
        return min(one.business_date(self.now) for one in chosen)

    def files(self, *tables: str, dates: list[date] | None = None) -> Hashable:
        """Names of a table's live files: while they are the same, so is every figure made of them."""
        return tuple(tuple(self.lake.uris(table, dates)) for table in tables)

    def keep(self, key: Hashable, stamp: Hashable, make: Callable[[], Found]) -> Found:
        """What `make` gave for `key` while its `stamp` is the same; made anew otherwise."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept[0] == stamp:
            found: Found = kept[1]
            return found
        made = make()
        with self._lock:
            if len(self._kept) >= KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = (stamp, made)
        return made

    def account_names(self) -> Mapping[str, str]:
        """Ledger account code -> name. Asked of the ledger in the background: empty until it said."""
        if self._names is None:
            self._names = {}
            self.pool.submit(self._read_names)
        return self._names

    def _read_names(self) -> None:
        try:
            self._names = {one.code: one.name for one in self.house.ledger.accounts()}
        except ConductorError as error:
            log.warning("accounts.unread", extra={"fields": {"error": str(error)}})

    def close(self) -> None:
        self.errands.close()
        self.pool.shutdown(wait=False, cancel_futures=True)


class Ask(msgspec.Struct, frozen=True):
    """One question: who asks, and the desk that knows. source: the caller's address.

    act_id: names the act of a write; the same request again has the same.
    """

    desk: Desk
    principal: Principal
    source: str = ""
    dry_run: bool = False
    act_id: str = ""

    def scope(self, wanted: list[str]) -> tuple[str, ...]:
        """Stores to answer for; see `Principal.scope`."""
        return self.principal.scope(wanted, [one.store for one in self.desk.stores])
