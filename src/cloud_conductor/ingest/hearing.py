"""What webhooks told and what only a sweep brought: the two ways in, held against each other."""

from typing import Literal

import msgspec

Verdict = Literal["on_time", "late", "waiting", "lost"]
LOST_AFTER_US = 15 * 60 * 1_000_000
"""A webhook this long after the sweep is taken for lost; one that comes all the same is late."""


class Heard(msgspec.Struct, frozen=True):
    """What is known of one object.

    told: the newest version a webhook told of, and when. swept: the newest version that a sweep
    brought before any webhook had told of it, and when; 0 for none. Instants: microseconds, ours.
    """

    told_version: int = 0
    told_us: int = 0
    swept_version: int = 0
    swept_us: int = 0

    def told(self, version: int, at_us: int) -> "Heard":
        """After a webhook; one about an older version changes nothing."""
        if version <= self.told_version:
            return self
        return msgspec.structs.replace(self, told_version=version, told_us=at_us)

    def swept(self, version: int, at_us: int) -> "Heard":
        """After a sweep; what webhooks had told already changes nothing."""
        if version <= max(self.told_version, self.swept_version):
            return self
        return msgspec.structs.replace(self, swept_version=version, swept_us=at_us)

    @property
    def late_us(self) -> int:
        """How long after the sweep its webhook came; 0 for on time, or not at all."""
        is_late = 0 < self.swept_version <= self.told_version
        return max(self.told_us - self.swept_us, 1) if is_late else 0

    def verdict(self, now_us: int) -> Verdict:
        if not self.swept_version:
            return "on_time"
        if self.told_version >= self.swept_version:
            return "late"
        return "waiting" if now_us - self.swept_us < LOST_AFTER_US else "lost"
