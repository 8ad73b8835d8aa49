"""Child of test_exports_kill: lands, conforms and publishes, over and over, until it is killed."""

import sys
import time
from pathlib import Path

from cloud_conductor.conform import flow as conform
from cloud_conductor.ingest.flow_landing import run_landing
from cloud_conductor.publishing.flow import run_publish
from cloud_conductor.wiring.house import House


def main(path: str) -> None:
    with House(Path(path)) as house:
        house.prepare()
        print("up", flush=True)
        while True:
            run_landing(house.landing_deps, house.clock.now())
            conform.run_conform(house.conform_deps)
            with house.publish_lock():
                run_publish(house.publish_deps)
            time.sleep(0.01)


main(sys.argv[1])
