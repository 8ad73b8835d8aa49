"""Vendor time: how fast Xero's own windows pass (limits, tokens, idempotency keys).

Apart from the documents' clock on purpose: a scenario may set that one to any day, but a minute of
rate limit has to pass by itself, at `scale` vendor seconds per real second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Pace:
    """Seconds that only grow. scale 60 = one real second is one of Xero's minutes."""

    def __init__(
        self,
        scale: float = 1.0,
        *,
        elapsed_s: float = 0.0,
        ticker: Callable[[], float] = time.monotonic,
    ) -> None:
        if scale <= 0:
            raise ValueError("a time scale is greater than 0")
        self.scale = scale
        self._ticker = ticker
        self._base_s = elapsed_s
        self._mark = ticker()

    def elapsed_s(self) -> float:
        """Vendor seconds since the organisation began."""
        return self._base_s + (self._ticker() - self._mark) * self.scale

    def advance(self, seconds: float) -> None:
        """Let `seconds` of vendor time pass at once."""
        if seconds < 0:
            raise ValueError("vendor time does not run backwards")
        self._base_s += seconds

    def set_scale(self, scale: float) -> None:
        """Run at another speed from here on."""
        if scale <= 0:
            raise ValueError("a time scale is greater than 0")
        self._base_s, self._mark, self.scale = self.elapsed_s(), self._ticker(), scale

    def real_seconds(self, vendor_seconds: float) -> int:
        """Whole real seconds (at least 1) that `vendor_seconds` take, rounded up."""
        return max(1, math.ceil(vendor_seconds / self.scale))
