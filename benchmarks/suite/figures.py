"""The pure parts: lines and their ratios, limits, the search for a rate and the choice from a grid."""

import dataclasses
import statistics
from collections.abc import Callable


class Failure(Exception):
    """Why a group cannot be measured; the others are measured all the same."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """A figure over repeats."""

    low: float
    median: float
    high: float

    @staticmethod
    def of(values: list[float]) -> "Spread":
        if not values:
            raise Failure("nothing was measured")
        return Spread(min(values), statistics.median(values), max(values))

    def json(self) -> dict:
        return {"min": self.low, "median": self.median, "max": self.high}


def ratios(measured: list[float], limits: list[float]) -> list[float]:
    """Pair by pair, as they were measured one after the other."""
    if len(measured) != len(limits):
        raise ValueError("as many limits as figures are expected")
    return [m / limit for m, limit in zip(measured, limits) if limit > 0]


def combined_limit(bare: float, cpu_seconds: float, cores: int) -> float:
    """Requests/s that a model of `bare` rows/s on all cores can give where each request costs
    `cpu_seconds` of one core beside it."""
    return 1 / (1 / bare + cpu_seconds / cores)


def met(value: float, target: str) -> bool:
    """Whether `value` reaches a target such as "≥ 0.85" or "≤ 10"."""
    sign, bound = target.split()[:2]
    return value >= float(bound) if sign == "≥" else value <= float(bound)


def number(value: float) -> str:
    """123,456, 12.3 or 0.123: three digits that say something."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return "0" if value == 0 else f"{value:,.{places}f}"


@dataclasses.dataclass
class Search:
    """What a search for the highest rate found; 0: not even the lowest one tried was good."""

    rate: float
    steps: list[tuple[float, float]]  # rate, share of good answers


def highest_rate(
    good_share: Callable[[float], float], first: float, factor: float, precision: float, share: float = 0.99
) -> Search:
    """The highest rate at which good_share(rate) ≥ share: brackets it by `factor` from `first` on,
    then halves the bracket until it is within `precision`. At most 16 steps."""
    low, high, steps, rate = 0.0, 0.0, [], first
    while len(steps) < 16:
        good = good_share(rate)
        steps.append((rate, good))
        if good >= share:
            low = max(low, rate)
        else:
            high = min(high, rate) if high else rate
        if not low:
            rate = high / factor
        elif not high:
            rate = low * factor
        elif high / low <= 1 + precision:
            break
        else:
            rate = (low * high) ** 0.5
        if rate < first / 1000:
            break
    return Search(low, steps)


@dataclasses.dataclass(frozen=True)
class Window:
    """A setting of the policy `window`."""

    size: int
    delay_ms: float

    def __str__(self) -> str:
        return f"{self.size} rows / {self.delay_ms:g} ms"


@dataclasses.dataclass
class GridPoint:
    """What the coarse part of a grid search says of a setting. A setting is only searched further
    where it beats the best before it: `rate` 0 means that it did not, with `share` at `tested`."""

    window: Window
    rate: float = 0
    tested: float = 0
    share: float = 0


def best_points(points: list[GridPoint], count: int) -> list[GridPoint]:
    """The `count` best: by rate, and where there is none by how near they came to the highest."""
    return sorted(points, key=lambda p: (p.rate, p.tested * min(p.share, 0.99)), reverse=True)[:count]


def grid_search(
    windows: list[Window], good_share: Callable[[Window, float], float], first: float, share: float = 0.99
) -> list[GridPoint]:
    """Every setting is asked whether it gives 3 % more than the best so far (`first`, to begin
    with); one that does climbs until it no longer does."""
    best, points = first, []
    for window in windows:
        point = GridPoint(window, tested=best * 1.03)
        point.share = good_share(window, point.tested)
        if point.share >= share:
            found = highest_rate(lambda rate, w=window: good_share(w, rate), point.tested, 1.25, 0.05, share)
            point.rate = found.rate
            best = max(best, point.rate)
        points.append(point)
    return points


def grid_text(points: list[GridPoint]) -> list[str]:
    """Rows are sizes, columns delays; "<" is what a setting did not reach."""
    delays = sorted({p.window.delay_ms for p in points})
    by_window = {p.window: p for p in points}
    lines = ["rows \\ ms " + "".join(f"{d:>10g}" for d in delays)]
    for size in sorted({p.window.size for p in points}):
        cells = []
        for delay in delays:
            point = by_window.get(Window(size, delay))
            text = "" if point is None else number(point.rate) if point.rate else "<" + number(point.tested)
            cells.append(f"{text:>10}")
        lines.append(f"{size:>9} " + "".join(cells))
    return lines


def settled_after(series: list[dict], end: float, width: float, limit_ms: float) -> float | None:
    """Seconds from `end` on until two stretches in a row have a p99 of at most `limit_ms` and lose
    nothing; None where that never happens. `series` as muster bench reports it."""
    calm = 0
    for stretch in series:
        if stretch["at_s"] < end - 1e-9:
            continue
        quiet = stretch["ok"] == stretch["requests"] and stretch["p99_ms"] <= limit_ms
        calm = calm + 1 if quiet else 0
        if calm == 2:
            return max(0.0, stretch["at_s"] - width - end)
    return None
