"""A token bucket: so many requests a second, and some at once."""

from __future__ import annotations


class Bucket:
    """The requests that one principal has left; belongs to one event loop.

    Parameters
    ----------
    rate
        Requests a second, more than 0.
    size
        Requests at once, 1 or more.
    now
        Seconds of a clock that never goes back, here and below.
    """

    __slots__ = ("_at", "_left", "_rate", "_size")

    def __init__(self, rate: float, size: float, now: float) -> None:
        self._rate, self._size = rate, size
        self._left, self._at = size, now

    def take(self, now: float) -> float:
        """Take one request; give 0, or the seconds until there is one.

        Examples
        --------
        >>> bucket = Bucket(rate=2.0, size=1.0, now=10.0)
        >>> bucket.take(10.0), bucket.take(10.0), bucket.take(10.5)
        (0.0, 0.5, 0.0)
        """
        left = min(self._size, self._left + (now - self._at) * self._rate)
        self._at = now
        if left >= 1.0:
            self._left = left - 1.0
            return 0.0
        self._left = left
        return (1.0 - left) / self._rate
