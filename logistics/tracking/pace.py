"""How fast an account is called: never more than its limit in any second, and only as many at once as that needs."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

SECOND = 1.0
# Of one account: a slow one holds no more than this share of a run's threads.
MOST_AT_ONCE = 24
# A run starts accounts until so many threads are in use; windows grow afterwards.
THREADS = 2 * MOST_AT_ONCE
MOST_THREADS = 2 * THREADS
# What a call is expected to last before the first one has, and how much the next ones change that.
EXPECTED_SECONDS, WEIGHT_OF_ONE = 0.2, 0.2
HEADROOM = 2


class Pace:
    """Lets at most `per_second` calls pass in any second. Safe for threads. Times are of the monotonic clock."""

    def __init__(self, per_second: int | None) -> None:
        self._lock = threading.Lock()
        self._passed: deque[float] = deque(maxlen=per_second) if per_second else deque(maxlen=1)
        self._is_limited = per_second is not None

    def wait(self) -> None:
        """Return when one more call may go out, and count it."""
        if not self._is_limited:
            return
        with self._lock:
            if len(self._passed) == self._passed.maxlen:
                time.sleep(max(self._passed[0] + SECOND - time.monotonic(), 0))
            self._passed.append(time.monotonic())

    @property
    def free_at(self) -> float:
        """From when on another process may call without knowing of these calls."""
        return self._passed[-1] + SECOND if self._passed else 0.0


class Window:
    """How many calls of an account are on their way at once: as many as its limit needs at the time an answer takes.

    `most` is what the merchant allows. Without it: one where no limit is known. One after a failure, until answers come
    in again. Not safe for threads.
    """

    def __init__(self, per_second: int | None, *, is_on_trial: bool, most: int | None = None) -> None:
        self._per_second, self._allowed = per_second, most
        self._seconds = EXPECTED_SECONDS
        self.size = 1 if is_on_trial else self._most()

    @property
    def expected_seconds(self) -> float:
        """How long the next answer is expected to take."""
        return self._seconds

    def answered(self, seconds: float) -> None:
        """A call was answered after so long."""
        self._seconds += WEIGHT_OF_ONE * (seconds - self._seconds)
        self.size = min(2 * self.size, self._most())

    def failed(self, seconds: float = 0.0) -> None:
        """A call was not answered usefully, which took so long."""
        self._seconds += max(WEIGHT_OF_ONE * (seconds - self._seconds), 0)
        self.size = 1

    def _most(self) -> int:
        if self._per_second is None:
            return self._allowed or 1
        needed = math.ceil(self._per_second * self._seconds * HEADROOM) + 1
        return min(needed, self._allowed or MOST_AT_ONCE)
