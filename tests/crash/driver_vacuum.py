"""Vacuum a lake; be killed without a word after so many files."""

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from cloud_conductor.adapters.delta_places import Folder
from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.testing.lake import FAR


class Mortal(Folder):
    """A folder whose process is killed in the midst of a removal."""

    removals_left = 0

    def remove(self, name: str, paths: Iterable[str]) -> None:
        for path in paths:
            if not self.removals_left:
                os.kill(os.getpid(), signal.SIGKILL)
            self.removals_left -= 1
            super().remove(name, [path])


def main(folder: str, removals: int) -> None:
    lake = DeltaLake(folder)
    place = Mortal(Path(folder))
    place.removals_left = removals
    lake._place = place
    lake.vacuum("sales", before=FAR)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
