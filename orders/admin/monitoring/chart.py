"""Charts of counts over time, as shapes for an SVG of fixed units; the page's style gives them size and colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

# Units of the drawing, which is stretched to the width of the page.
WIDTH, HEIGHT = 1000.0, 100.0
_GAP = 0.15


@dataclass(frozen=True, slots=True)
class Interval:
    """One step of time: what was counted in it, where the rows are, and what is usual (low, middle, high) if known."""

    start: datetime
    count: int
    url: str = ""
    usual: tuple[float, float, float] | None = None
    parts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the drawing and the step that it stands for."""

    step: Interval
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template draws. `band` and `line` are the points of what is usual, pieces without a gap."""

    steps: Sequence[Interval]
    top: int
    width: float = WIDTH
    height: float = HEIGHT
    bars: list[Bar] = field(default_factory=list)
    bands: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(step.count for step in self.steps)

    @property
    def marks(self) -> list[datetime]:
        """The times that stand below: the first, the middle and the last."""
        return [self.steps[place].start for place in (0, len(self.steps) // 2, -1)] if self.steps else []


def chart_of(steps: Sequence[Interval]) -> Chart:
    """Lay the steps out from left to right, all heights in one scale."""
    top = round_up(
        max([step.count for step in steps] + [step.usual[2] for step in steps if step.usual] + [1])
    )
    chart, width = Chart(steps, top), WIDTH / max(len(steps), 1)
    for place, step in enumerate(steps):
        height = HEIGHT * step.count / top
        chart.bars.append(
            Bar(
                step,
                round(width * (place + _GAP / 2), 2),
                round(HEIGHT - height, 2),
                round(width * (1 - _GAP), 2),
                round(height, 2),
            )
        )
    for first, last in _pieces(steps):
        middles = [(width * (place + 0.5), steps[place].usual or (0, 0, 0)) for place in range(first, last)]
        chart.lines.append(_points([(x, usual[1]) for x, usual in middles], top))
        outline = [(x, usual[2]) for x, usual in middles] + [(x, usual[0]) for x, usual in reversed(middles)]
        chart.bands.append(_points(outline, top))
    return chart


def round_up(value: float) -> int:
    """Return the next number that reads well at the end of an axis: one figure with noughts."""
    size = 1
    while value > 10 * size:
        size *= 10
    return ceil(value / size) * size


def _pieces(steps: Sequence[Interval]) -> list[tuple[int, int]]:
    """Return the runs of steps of which it is known what is usual, as places from and up to."""
    known = [bool(step.usual) for step in steps]
    starts = [n for n, has in enumerate(known) if has and (n == 0 or not known[n - 1])]
    ends = [n + 1 for n, has in enumerate(known) if has and (n + 1 == len(known) or not known[n + 1])]
    return list(zip(starts, ends, strict=True))


def _points(points: Sequence[tuple[float, float]], top: int) -> str:
    return " ".join(f"{x:.1f},{HEIGHT - HEIGHT * min(value, top) / top:.1f}" for x, value in points)
