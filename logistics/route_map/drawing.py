"""Lays out the drawing of a way: where its cities, its legs and their names stand on the paper.

North is up and a degree of longitude is as wide as it is in the middle of the way, so that the shape is that of a map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logistics.route_map.stops import Stop

WIDTH, LOWEST, HIGHEST = 340.0, 120.0, 190.0
SIDE, TOP, BOTTOM = 44.0, 34.0, 34.0
LETTER, LINE, GAP = 13.0, 16.0, 10.0
# Cities of one region are not drawn as if they were far apart.
LEAST_DEGREES = 1.5
# How far a leg bends, as a share of its length: one there and one back stand beside each other.
BEND = 0.12


@dataclass(frozen=True, slots=True)
class Dot:
    """A city on the paper; its name is empty where no room is left for it. `anchor` is the SVG's text-anchor."""

    x: float
    y: float
    state: str
    name: str
    name_x: float
    name_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Leg:
    """A path from city to city; `state` is done or ahead."""

    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A laid out drawing; `stops` say it in words."""

    width: float
    height: float
    legs: Sequence[Leg]
    dots: Sequence[Dot]
    stops: Sequence[Stop]


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        is_beside = self.right <= other.left or other.right <= self.left
        return not (is_beside or self.bottom <= other.top or other.bottom <= self.top)


Point = tuple[float, float]


def draw(stops: Sequence[Stop]) -> Drawing | None:
    """Lay out the drawing of these stops; None for fewer than two."""
    if len(stops) < 2:
        return None
    points, height = _project(stops)
    legs = [
        Leg(_path(start, end), "ahead" if stop.state == "ahead" else "done")
        for start, end, stop in zip(points, points[1:], stops[1:], strict=False)
    ]
    return Drawing(WIDTH, height, legs, list(_dots(stops, points, height)), stops)


def _project(stops: Sequence[Stop]) -> tuple[list[Point], float]:
    """The points of the stops and the height of the paper."""
    middle = (max(one.place.latitude for one in stops) + min(one.place.latitude for one in stops)) / 2
    narrowing = math.cos(math.radians(middle))
    flat = [(one.place.longitude * narrowing, -one.place.latitude) for one in stops]
    left, right = min(x for x, _y in flat), max(x for x, _y in flat)
    upper, lower = min(y for _x, y in flat), max(y for _x, y in flat)
    across, down = right - left, lower - upper
    scale = min(
        (WIDTH - 2 * SIDE) / max(across, LEAST_DEGREES),
        (HIGHEST - TOP - BOTTOM) / max(down, LEAST_DEGREES),
    )
    height = round(min(max(down * scale + TOP + BOTTOM, LOWEST), HIGHEST))
    off_x, off_y = (WIDTH - across * scale) / 2, (height - down * scale) / 2
    return [(off_x + (x - left) * scale, off_y + (y - upper) * scale) for x, y in flat], height


def _path(start: Point, end: Point) -> str:
    (x1, y1), (x2, y2) = start, end
    x, y = (x1 + x2) / 2 + (y2 - y1) * BEND, (y1 + y2) / 2 - (x2 - x1) * BEND
    return f"M{x1:.1f} {y1:.1f}Q{x:.1f} {y:.1f} {x2:.1f} {y2:.1f}"


def _dots(stops: Sequence[Stop], points: Sequence[Point], height: float) -> Iterator[Dot]:
    """The dots in the order of the way, each city once. Where it is now is named first, then the ends."""
    chosen = {stop.place: number for number, stop in enumerate(stops) if stop.state != "ahead"}
    for number, stop in enumerate(stops):
        chosen.setdefault(stop.place, number)
    taken = [Box(x - 7, y - 7, x + 7, y + 7) for x, y in (points[number] for number in chosen.values())]
    last = len(stops) - 1
    ranked = sorted(chosen.values(), key=lambda n: (stops[n].state != "now", n not in (0, last), n))
    paper = Paper(height, taken)
    names = {
        number: paper.name(stops[number].place.short, points[number], is_above=_leads_down(points, number))
        for number in ranked
    }
    for number in sorted(chosen.values()):
        x, y = points[number]
        name, (name_x, name_y), anchor = names[number]
        yield Dot(round(x, 1), round(y, 1), stops[number].state, name, name_x, name_y, anchor)


def _leads_down(points: Sequence[Point], number: int) -> bool:
    """Whether the legs at a point lead downwards: its name stands above it then."""
    neighbours = [*points[max(number - 1, 0) : number], *points[number + 1 : number + 2]]
    return sum(y for _x, y in neighbours) > points[number][1] * len(neighbours)


@dataclass(frozen=True, slots=True)
class Paper:
    """The paper while names are written on it: `taken` is where something stands already."""

    height: float
    taken: list[Box]

    def name(self, text: str, point: Point, *, is_above: bool) -> tuple[str, Point, str]:
        """A name, where it stands beside its dot and its anchor; no name where each place would hide something."""
        width = LETTER * len(text)
        for at_x, at_y, anchor in _places(point, width, is_above=is_above):
            left = at_x - {"middle": width / 2, "start": 0, "end": width}[anchor]
            box = Box(left, at_y - LETTER, left + width, at_y - LETTER + LINE)
            is_inside = box.left >= 0 and box.right <= WIDTH and box.top >= 0 and box.bottom <= self.height
            if is_inside and not any(box.meets(other) for other in self.taken):
                self.taken.append(box)
                return text, (round(at_x, 1), round(at_y, 1)), anchor
        return "", (0.0, 0.0), "middle"


def _places(point: Point, width: float, *, is_above: bool) -> list[tuple[float, float, str]]:
    """Where a name may stand, the best place first."""
    x, y = point
    centre = min(max(x, width / 2 + 2), WIDTH - width / 2 - 2)
    below, above = (centre, y + GAP + LETTER, "middle"), (centre, y - GAP - 3, "middle")
    beside = [(x + GAP, y + LETTER / 2 - 2, "start"), (x - GAP, y + LETTER / 2 - 2, "end")]
    return [above, below, *beside] if is_above else [below, above, *beside]
