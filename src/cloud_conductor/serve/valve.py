"""How many webhooks the intake takes into hand at once, so that none of them waits long.

Additive increase, multiplicative decrease, as TCP does it: while what is taken is durable in time,
a little more is taken; when it waits too long, an eighth less. Nothing about the machine is
configured: a slow disk or a busy processor is a longer wait.
"""

IN_HAND_MAX = 256  # some 10 ms of work; groups do not get cheaper beyond (bench_intake)
IN_HAND_MIN = 16  # a commit of so few is as quick as of one
# A third of what a sender may wait: as long passes before we see it, while others are read or
# refused, and as long again until it has read the answer.
WAIT_S_MAX = 0.03
GROWTH = 0.25  # places for each webhook that was in time


class Valve:
    """in_hand: webhooks that are being made durable now. limit: how many may be."""

    __slots__ = ("_cut_at", "_most", "in_hand", "limit")

    def __init__(self, most: int = IN_HAND_MAX) -> None:
        self.in_hand = 0
        self.limit = float(most)
        self._most = most
        self._cut_at = 0.0

    @property
    def is_open(self) -> bool:
        return self.in_hand < self.limit

    def leave(self, waited_s: float, now_s: float) -> None:
        """One is durable (or refused) after `waited_s`; what it waited decides how many may come.

        The limit is cut at most once in a wait, because all that wait now were let in before.
        """
        self.in_hand -= 1
        if waited_s <= WAIT_S_MAX:
            self.limit = min(self.limit + GROWTH, self._most)
        elif now_s >= self._cut_at:
            self.limit = max(self.limit * 0.875, min(IN_HAND_MIN, self._most))
            self._cut_at = now_s + waited_s
