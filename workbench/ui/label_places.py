"""Where direct labels go so that none covers another: in pixels, before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CHARACTER = 6.4
LINE = 14.0


@dataclass(frozen=True)
class Place:
    """A label's offset from its point in pixels, y downwards, and which end of the text stands there."""

    dx: float
    dy: float
    anchor: Literal["left", "center", "right"]


_CANDIDATES = (
    Place(9, 0, "left"),
    Place(-9, 0, "right"),
    Place(0, -14, "center"),
    Place(0, 15, "center"),
    Place(7, -11, "left"),
    Place(-7, -11, "right"),
    Place(7, 12, "left"),
    Place(-7, 12, "right"),
    Place(0, -27, "center"),
    Place(0, 28, "center"),
    Place(9, -24, "left"),
    Place(-9, -24, "right"),
    Place(9, 25, "left"),
    Place(-9, 25, "right"),
)
_Box = tuple[float, float, float, float]


def label_places(
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    width: float,
    height: float,
    strokes: Sequence[tuple[float, float, float, float]] = (),
) -> list[Place | None]:
    """A place for each label among the points of a plot and off its strokes (upright boxes: left, top, right, bottom);
    None where there is no free one: the point keeps its hover."""
    taken: list[_Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    places: list[Place | None] = []
    for i, ((x, y), label) in enumerate(zip(points, labels)):
        others = [*taken[:i], *taken[i + 1 :]]
        # A name on a stroke is better than none.
        found = _free(x, y, label, [*others, *strokes], width, height) or _free(
            x, y, label, others, width, height
        )
        if found is not None:
            taken.append(_box(x, y, label, found))
        places.append(found)
    return places


def _free(
    x: float, y: float, label: str, others: Sequence[_Box], width: float, height: float
) -> Place | None:
    for place in _CANDIDATES:
        box = _box(x, y, label, place)
        inside = box[0] >= 0 and box[2] <= width and box[1] >= -4 and box[3] <= height + 4
        if inside and not any(_overlap(box, other) for other in others):
            return place
    return None


def _box(x: float, y: float, label: str, place: Place) -> _Box:
    wide = len(label) * CHARACTER
    left = x + place.dx - {"left": 0.0, "center": wide / 2, "right": wide}[place.anchor]
    return left, y + place.dy - LINE / 2, left + wide, y + place.dy + LINE / 2


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
