"""What the gateway counts, and what models count themselves, as Prometheus text and as statistics.

Only the gateway counts, in plain integers of its one thread, so the numbers are right however many
workers there are, and a request costs little more than a few additions.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

# Upper ends of the latency buckets in seconds: fine where single rows are, up to long time limits.
BOUNDS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 3.0, 5.0, 10.0, 30.0),
)
# From here on an answer is a failure of ours or of the model, not of who asked.
_WRONG, _FAILED = 400, 500
_TIMED_OUT = 504
_UNAVAILABLE = 503
# Series that models may make, so that a model cannot fill the memory.
_MAX_SERIES = 2000
# Characters of a series' names and tags, and the largest number: more is an accident.
_LONGEST_SERIES = 4096
_MOST = 1e300
_LABELS = ("service", "branch", "model", "version")
Place = tuple[str, str, str, str]


class BranchCounts:
    """Counts of one model version in one branch of a service since the gateway started."""

    __slots__ = ("buckets", "codes", "place", "rows", "seconds", "shadow_drops")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.codes: dict[int, int] = {}
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0
        self.rows = 0
        self.shadow_drops = 0

    def add(self, status: int, seconds: float, n_rows: int) -> None:
        """Count one answer."""
        codes = self.codes
        codes[status] = codes.get(status, 0) + 1
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds
        self.rows += n_rows

    @property
    def requests(self) -> int:
        """All answers."""
        return sum(self.codes.values())

    def stats(self, image: str) -> dict[str, Any]:
        """Give the counts as the statistics frame says them.

        ``errors`` are answers of 500 and above without ``timeouts``; ``refused`` are those of
        them that found the queue full. ``rejected`` are requests that were found wrong. Buckets are not cumulated; the last has no upper end.
        """
        service, branch, model, version = self.place
        timeouts = self.codes.get(_TIMED_OUT, 0)
        return {
            "service": service,
            "branch": branch,
            "image": image,
            "model": model,
            "version": version,
            "requests": self.requests,
            "errors": sum(n for code, n in self.codes.items() if code >= _FAILED) - timeouts,
            "timeouts": timeouts,
            "refused": self.codes.get(_UNAVAILABLE, 0),
            "rejected": sum(n for code, n in self.codes.items() if _WRONG <= code < _FAILED),
            "rows": self.rows,
            "latency_s": self.seconds,
            "buckets": self.buckets,
        }


class ModelMetrics:
    """The models' own counters, gauges and timers, added up over all workers.

    COUNTER adds, GAUGE replaces, TIMER (milliseconds) becomes a sum in seconds and a count. The
    names of a key's tags and its type stay as they were first seen; what differs is not counted.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._series: dict[tuple[str, Place, tuple[str, ...]], list[float]] = {}
        self.refused = 0

    def add(self, place: Place, metrics: Iterable[Mapping[str, Any]]) -> None:
        """Count what one answer brought."""
        for metric in metrics:
            if not self._add(place, metric):
                self.refused += 1

    def _add(self, place: Place, metric: Mapping[str, Any]) -> bool:
        kind, key, value = metric.get("type"), metric.get("key"), metric.get("value")
        tags = metric.get("tags") or {}
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        # Not a number is not within any limits.
        if not abs(value) <= _MOST:
            return False
        if not isinstance(key, str) or not isinstance(tags, Mapping):
            return False
        if kind not in ("COUNTER", "GAUGE", "TIMER") or (kind != "GAUGE" and value < 0):
            return False
        name = metric_name(key)
        names = tuple(sorted(map(str, tags)))
        if self._kinds.get(name, (kind, names)) != (kind, names):
            return False
        series = (name, place, tuple(str(tags[tag]) for tag in sorted(tags, key=str)))
        held = self._series.get(series)
        if held is None:
            if len(self._series) >= _MAX_SERIES or len(str(series)) > _LONGEST_SERIES:
                return False
            self._kinds[name] = kind, names
            held = self._series[series] = [0.0, 0]
        if kind == "GAUGE":
            held[0] = value
        else:
            held[0] += value / 1000.0 if kind == "TIMER" else value
            held[1] += 1
        return True

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            SummaryMetricFamily,
        )

        for name, (kind, tags) in self._kinds.items():
            labels = (*_LABELS, *(label_name(tag) for tag in tags))
            rows = [
                ((*place, *values), held)
                for (key, place, values), held in self._series.items()
                if key == name
            ]
            if kind == "COUNTER":
                counter = CounterMetricFamily(name, "A model's own counter", labels=labels)
                for row, held in rows:
                    counter.add_metric(row, held[0])
                yield counter
            elif kind == "GAUGE":
                gauge = GaugeMetricFamily(name, "A model's own gauge", labels=labels)
                for row, held in rows:
                    gauge.add_metric(row, held[0])
                yield gauge
            else:
                timer = SummaryMetricFamily(name, "A model's own timer, seconds", labels=labels)
                for row, held in rows:
                    timer.add_metric(row, count_value=int(held[1]), sum_value=held[0])
                yield timer


def metric_name(key: str) -> str:
    """Make a name that Prometheus takes.

    Examples
    --------
    >>> metric_name("my-counter"), metric_name("2nd")
    ('my_counter', '_2nd')
    """
    name = re.sub(r"[^a-zA-Z0-9_:]", "_", key)
    # The text format itself adds this ending.
    name = name.removesuffix("_total") or "_"
    # Ours begin so, and stay ours.
    name = f"model_{name}" if name.startswith("ct_") else name
    return f"_{name}" if name[0].isdigit() else name


def label_name(tag: str) -> str:
    """Make a label name that Prometheus takes and that is none of ours."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", tag) or "_"
    return f"tag_{name}" if name in _LABELS or name[0].isdigit() or name[:2] == "__" else name


class Metrics:
    """All counts of a gateway."""

    def __init__(self) -> None:
        self.started = time.time()
        self.models = ModelMetrics()
        self.other_codes: dict[int, int] = {}
        self._branches: dict[Place, BranchCounts] = {}

    def branch(self, place: Place) -> BranchCounts:
        """Give the counts of a place; they stay when a route goes and comes again."""
        counts = self._branches.get(place)
        if counts is None:
            counts = self._branches[place] = BranchCounts(place)
        return counts

    def other(self, status: int) -> None:
        """Count an answer that no model gave."""
        self.other_codes[status] = self.other_codes.get(status, 0) + 1

    def text(self, running: Iterable[tuple[Place, Mapping[str, float]]]) -> bytes:
        """Give the Prometheus text.

        Parameters
        ----------
        running
            For each branch that is routed now: its place, and its gauges by name.
        """
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Families([*self._collect(running), *self.models.collect()]))
        return generate_latest(registry)

    def _collect(self, running: Iterable[tuple[Place, Mapping[str, float]]]) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("ct_requests", "Answers", labels=(*_LABELS, "code"))
        errors = CounterMetricFamily("ct_errors", "Answers that failed", labels=_LABELS)
        rows = CounterMetricFamily("ct_rows", "Rows predicted", labels=_LABELS)
        drops = CounterMetricFamily(
            "ct_shadow_drops", "Copies that a shadow had no time for", labels=_LABELS
        )
        seconds = HistogramMetricFamily(
            "ct_request_seconds", "Seconds from the whole request to its answer", labels=_LABELS
        )
        for place, counts in self._branches.items():
            for code, n in counts.codes.items():
                requests.add_metric((*place, str(code)), n)
            errors.add_metric(place, sum(n for c, n in counts.codes.items() if c >= _FAILED))
            rows.add_metric(place, counts.rows)
            drops.add_metric(place, counts.shadow_drops)
            seconds.add_metric(place, _cumulated(counts.buckets), counts.seconds)
        yield from (requests, errors, rows, drops, seconds)
        yield from self._collect_others()
        yield from _collect_running(running)

    def _collect_others(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        other = CounterMetricFamily("ct_http", "Answers that no model gave", labels=("code",))
        for code, n in self.other_codes.items():
            other.add_metric((str(code),), n)
        yield other
        yield CounterMetricFamily(
            "ct_model_metrics_refused",
            "Metrics of models with another type or other tags than before",
            value=self.models.refused,
        )
        yield GaugeMetricFamily(
            "ct_start_time_seconds", "When the gateway started", value=self.started
        )


GAUGES = {
    "in_flight": "Requests that wait for an answer",
    "queued": "Those of them that no worker has begun",
    "workers": "Workers that can answer",
    "weight": "Share of the requests",
}


def _collect_running(running: Iterable[tuple[Place, Mapping[str, float]]]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    restarts = CounterMetricFamily("ct_worker_restarts", "Workers that ended", labels=_LABELS)
    families = {
        name: GaugeMetricFamily(f"ct_{name}", text, labels=_LABELS)
        for name, text in GAUGES.items()
    }
    for place, values in running:
        restarts.add_metric(place, values["restarts"])
        for name, family in families.items():
            family.add_metric(place, values[name])
    yield restarts
    yield from families.values()


class _Families:
    """Families that were collected before."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Give them."""
        return self._families


def _cumulated(buckets: list[int]) -> list[tuple[str, float]]:
    total, rows = 0, []
    for bound, n in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
        total += n
        rows.append((bound, float(total)))
    return rows
