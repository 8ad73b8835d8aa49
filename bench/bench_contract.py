"""Contract: how fast one order is parsed and proven to be what Square documents.

The limit. An order is about 4.9 kB of JSON. One core scans JSON at 0.5 to 1 GB/s at best, so about
5 to 10 us an order is the floor for reading it at all; building typed values of some 250 fields
costs about as much again. A JSON Schema validator in Python walks the same 250 values with about
1 us and several calls each: a millisecond. That is the gap a typed decode leaves behind.

Variants, round-robin in one run, over the same bodies:
  ours       the shipped gate: typed decode with constraints, then currency and decimal checks
  compiled   json.loads + the same contract as JSON Schema in `jsonschema`, validator made once
  per_call   the usual webhook handler: json.loads + jsonschema.validate(), validator made each time
  rust       json.loads + the same schema in jsonschema-rs: what runs only when the decode refuses

Goal: ours >= 40x compiled.

    python bench/bench_contract.py [--rounds 5] [--orders 400]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import jsonschema_rs
from harness import middle, ratio, report, round_robin
from orders import bodies

from cloud_conductor.adapters.pos.square import wire
from cloud_conductor.adapters.pos.square.contract import schema_of
from cloud_conductor.adapters.pos.square.decode import READERS
from cloud_conductor.adapters.pos.square.orders import number_faults

GOAL = 40.0
CURRENCY, ANY = b'"currency":"USD"', b'"currency'


def per_second(found: list[bytes], check: Callable[[bytes], Any], share: float) -> float:
    some = found[: max(1, int(len(found) * share))]
    start = time.perf_counter()
    for body in some:
        check(body)
    return len(some) / (time.perf_counter() - start)


def ours(body: bytes) -> None:
    order = READERS["order"].decoder.decode(body)
    assert body.count(CURRENCY) == body.count(ANY)
    assert not number_faults(order)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--orders", type=int, default=400)
    given = arguments.parse_args()
    try:
        import jsonschema
    except ImportError:
        sys.exit("jsonschema is missing: uv sync --group bench")
    schema = schema_of(wire.Order)
    compiled = jsonschema.Draft202012Validator(schema)
    rust = jsonschema_rs.validator_for(schema)
    found = bodies(given.orders)
    assert compiled.is_valid(json.loads(found[0]))
    variants: dict[str, Callable[[], float]] = {
        "ours": lambda: per_second(found * 10, ours, 1),
        "compiled": lambda: per_second(found, lambda b: compiled.validate(json.loads(b)), 0.5),
        "per_call": lambda: per_second(
            found, lambda b: jsonschema.validate(json.loads(b), schema), 0.1
        ),
        "rust": lambda: per_second(found, lambda b: rust.validate(json.loads(b)), 1),
    }
    rounds = round_robin(variants, given.rounds)
    gain = ratio(rounds, "ours", "compiled")
    figures = {f"{name} orders/s": round(middle(rounds, name)) for name in variants}
    figures |= {
        "bytes an order": round(sum(map(len, found)) / len(found)),
        "ours over compiled jsonschema": gain,
        "ours over jsonschema per call": ratio(rounds, "ours", "per_call"),
        "compiled over per call": ratio(rounds, "compiled", "per_call"),
        "ours over jsonschema-rs": ratio(rounds, "ours", "rust"),
    }
    return report("contract", figures, {f"ours >= {GOAL:.0f}x compiled jsonschema": gain >= GOAL})


if __name__ == "__main__":
    sys.exit(main())
