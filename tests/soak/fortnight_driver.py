"""The product of a fortnight: intake, worker and scheduler of one house in one process, measured.

Time is told from outside through a shared value, so that a day takes as long as its work. What the
roles do in their loops is done on command by the same functions.
"""

import gc
import os
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cloud_conductor.accounting import flow
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.pipelines import close, reconcile, worker
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server
from cloud_conductor.wiring import errands, logs
from cloud_conductor.wiring.house import House

SOURCE = "square"
APPROVER = "user:second-person"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ToldClock:
    """Now, as the other process says: seconds since 1970."""

    def __init__(self, told: Any) -> None:
        self._told = told

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._told.value)


def run(orders: Connection, path: str, told: Any, environ: dict[str, str]) -> None:
    """Obey `pass`, `night` and `stop`, each answered by facts or by what went wrong."""
    os.environ.update(environ)
    with House(Path(path)) as house:
        vars(house)["clock"] = ToldClock(told)
        house.prepare()
        logs.configure("worker", house.state_dir, to_stderr=False)
        pos = house.pos[SOURCE]
        url = house.notification_url(SOURCE)
        door = Door(SquareVerifier(), (pos.subscribe(url).encode(),), url)
        app = Gateway({SOURCE: door}, GroupCommitWriter(house.event_store), house.clock)
        server = gateway_server(app, house.config.gateway.host, house.config.gateway.port)
        serving = threading.Thread(target=server.run)
        serving.start()
        flush = worker.Flush(timedelta(0), 1)
        orders.send({})
        try:
            while (word := orders.recv()) != "stop":
                orders.send(_obey(house, word, flush, app))
        finally:
            server.stop()
            serving.join()


def _obey(house: House, word: str, flush: worker.Flush, app: Gateway) -> dict[str, Any]:
    try:
        if word == "pass":
            worker.work_once(house.close_deps, flush, house.consumers)
            return {}
        dates = errands.close_due(house)
        flow.approve(house.books_deps, APPROVER, reason="fortnight")
        errands.post(house)
        recent = close.closed_dates(house.close_deps, since=house.clock.now().date() - timedelta(4))
        outcome = reconcile.reconcile(house.close_deps, recent) if recent else None
        unexplained = [one for one in outcome.breaks if not one.is_explained] if outcome else []
        return measured(house) | {
            "closed": len(dates),
            "breaks": sorted({one.code for one in unexplained}),
            "taken": app.counters.received,
        }
    except Exception as error:  # noqa: BLE001  # told to the other side, which fails the soak
        return {"error": repr(error)}


def measured(house: House) -> dict[str, Any]:
    """Memory, open files and threads of this process; sizes of what it keeps."""
    gc.collect()
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
        if ":" in line
    )
    state = house.state_dir
    store = house.event_store
    first = store.read("0", 0, 1)
    lake = [one for one in house.config.lake_dir.rglob("*") if one.is_file()]
    return {
        "rss_mb": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "open_files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": int(status["Threads"]),
        "python_threads": threading.active_count(),
        "thread_names": Counter(
            one.read_text().strip() for one in Path("/proc/self/task").glob("*/comm")
        ),
        "log_events": store.high_water("0") - first[0].seq + 1 if first else 0,
        "log_mb": _mb(state.glob("log.sqlite*")),
        "talk_mb": _mb((state / "logs").glob("*")),
        "state_mb": _mb(state.glob("*.sqlite*")),
        "lake_files": len(lake),
        "lake_mb": _mb(lake),
    }


def _mb(files: Any) -> float:
    return round(sum(one.stat().st_size for one in files) / 2**20, 2)
