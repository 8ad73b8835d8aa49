"""REST: how fast a till is told stock, price and customer, and what that costs the gateway.

The limit. An answer is one HTTP request on a kept-open connection (about 0.1 ms in uvicorn), a look
at the API key (two rows of SQLite by key, 0.1 ms) and at the SKU (two or three rows by index, 0.1 ms),
a thread hop each way, and 0.3 kB of JSON. Half a millisecond of CPU is the floor; a person at a till
notices 100 ms.

Each path is asked on one connection, one after another, with an API key, as a till does; then again
with the ETag of the first answer. p50 and p99 are of wall time, CPU is of the whole process (gateway
and client), so it holds on a shared machine.

Goals: p99 of stock and price <= 25 ms; an answer costs <= 3 ms of CPU.

    python bench/bench_rest.py [--asks 1500]
"""

import argparse
import http.client
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "rest"), str(ROOT / "tests" / "e2e"), str(ROOT / "tests")]

from harness import percentile, report  # noqa: E402
from shop_front import Front, open_front  # noqa: E402

P99_MS = 25.0
CPU_MS = 3.0


class Till:
    """One kept-open connection with an API key."""

    def __init__(self, front: Front, key: str) -> None:
        found = urlsplit(front.url)
        self._connection = http.client.HTTPConnection(found.hostname or "", found.port, timeout=30)
        self._headers = {"Authorization": key}

    def ask(self, path: str, tag: str = "") -> tuple[int, str]:
        headers = self._headers | ({"If-None-Match": tag} if tag else {})
        self._connection.request("GET", f"/api/v1{path}", headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("ETag") or ""


def measured(till: Till, path: str, asks: int, *, again: bool) -> dict[str, float]:
    """Milliseconds of one path: wall p50 and p99, CPU of each ask."""
    status, tag = till.ask(path)
    assert status == 200, (path, status)
    walls = []
    began = os.times()
    for _ in range(asks):
        start = time.perf_counter()
        status, _ = till.ask(path, tag if again else "")
        walls.append((time.perf_counter() - start) * 1_000)
        assert status == (304 if again else 200), (path, status)
    ended = os.times()
    cpu_ms = (ended.user - began.user + ended.system - began.system) * 1_000 / asks
    return {"p50_ms": percentile(walls, 0.5), "p99_ms": percentile(walls, 0.99), "cpu_ms": cpu_ms}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asks", type=int, default=1_500)
    asks = parser.parse_args().asks
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, open_front(Path(folder)) as front:
        front.api.door.limits.per_minute = 10**9
        with front.program(["operator"]) as program:
            sku = program.items("/inventory", limit=1)[0]["sku"]
            till = Till(front, program.headers["Authorization"])
            for name, path in (("stock", f"/inventory/{sku}"), ("price", f"/prices/{sku}")):
                for again in (False, True):
                    found = measured(till, path, asks, again=again)
                    label = f"{name}_unchanged" if again else name
                    print(label, found, file=sys.stderr)
                    figures |= {f"{label}_{key}": value for key, value in found.items()}
    goals = {
        f"stock answers a till in {P99_MS:g} ms p99": figures["stock_p99_ms"] <= P99_MS,
        f"price answers a till in {P99_MS:g} ms p99": figures["price_p99_ms"] <= P99_MS,
        f"an answer costs at most {CPU_MS:g} ms of CPU": figures["stock_cpu_ms"] <= CPU_MS,
    }
    return report("rest", figures, goals)


if __name__ == "__main__":
    sys.exit(main())
