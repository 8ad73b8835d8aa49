"""Xero's rate limits per organisation: 60 a minute, 5000 a day, 5 at once (OAuth 2.0 API limits)."""

from __future__ import annotations

from dataclasses import dataclass

from cloud_conductor.sandbox.xero.pace import Pace
from cloud_conductor.sandbox.xero.wire import XeroError, problem

MINUTE_S = 60
DAY_S = 24 * 60 * 60


@dataclass
class Limits:
    """Fixed windows in vendor seconds. A refused call is not counted."""

    pace: Pace
    minute_max: int = 60
    day_max: int = 5000
    concurrent_max: int = 5
    app_minute_max: int = 10_000
    in_flight: int = 0
    refused: int = 0
    _minute: int = 0
    _minute_used: int = 0
    _day: int = 0
    _day_used: int = 0

    def take(self) -> None:
        """Count one call; raises XeroError 429 naming the window that is full."""
        now_s = self.pace.elapsed_s()
        self._roll(now_s)
        if self._day_used >= self.day_max:
            raise self.refuse("day", DAY_S - now_s % DAY_S)
        if self._minute_used >= self.minute_max:
            raise self.refuse("minute", MINUTE_S - now_s % MINUTE_S)
        self._minute_used += 1
        self._day_used += 1

    def refuse(self, window: str, wait_s: float) -> XeroError:
        """The 429 of one window. wait_s: vendor seconds; Retry-After is in real ones."""
        self.refused += 1
        retry = str(self.pace.real_seconds(wait_s))
        named = {"X_Rate_Limit_Problem": window, "Retry_After": retry}
        return problem(429, "Too Many Requests", f"The {window} limit is exceeded", **named)

    def headers(self) -> dict[str, str]:
        """What is left, as every answer tells it."""
        self._roll(self.pace.elapsed_s())
        return {
            "X-DayLimit-Remaining": str(self.day_max - self._day_used),
            "X-MinLimit-Remaining": str(self.minute_max - self._minute_used),
            "X-AppMinLimit-Remaining": str(self.app_minute_max - self._minute_used),
        }

    def _roll(self, now_s: float) -> None:
        minute, day = int(now_s // MINUTE_S), int(now_s // DAY_S)
        if minute != self._minute:
            self._minute, self._minute_used = minute, 0
        if day != self._day:
            self._day, self._day_used = day, 0
