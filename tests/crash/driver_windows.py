"""Child of test_windows_kill: brings windows to the log in small batches, and says after each."""

import os
import sys
from pathlib import Path

import msgspec

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.domain.stores import Store
from cloud_conductor.state.engine import open_engine
from cloud_conductor.windows import flow

folder = Path(sys.argv[1])
stores = msgspec.json.decode((folder / "stores.json").read_bytes(), type=list[Store])
engine = open_engine(f"sqlite:///{folder / 'worker.sqlite'}")
deps = flow.WindowsDeps(
    SqliteLog(folder / "log.sqlite"), engine, {"square": SquareDecoder()}, stores, 3
)
run_batch = flow._run_batch


def told(*arguments: object) -> flow.RunResult:
    result = run_batch(*arguments)  # type: ignore[arg-type]
    os.write(sys.stdout.fileno(), b".\n")
    return result


flow._run_batch = told  # type: ignore[assignment]
os.write(sys.stdout.fileno(), b"ready\n")
flow.run_windows(deps)
