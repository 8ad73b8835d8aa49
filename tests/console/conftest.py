import sys
from pathlib import Path

for room in ("rest", "e2e"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))
