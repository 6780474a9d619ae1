"""The Pareto front: which rows no other row beats on two columns, or on any number of them."""

from __future__ import annotations

from collections.abc import Sequence


def pareto(points: Sequence[tuple[float, float]], *, x_better: str, y_better: str) -> list[int]:
    """Indices of the points that no other point beats on both axes, in order of x; of equal ones the first."""
    sign_x = 1.0 if x_better == "lower" else -1.0
    sign_y = 1.0 if y_better == "higher" else -1.0
    order = sorted(range(len(points)), key=lambda i: (sign_x * points[i][0], -sign_y * points[i][1]))
    front: list[int] = []
    best = -float("inf")
    for index in order:
        if sign_y * points[index][1] > best:
            best = sign_y * points[index][1]
            front.append(index)
    return front


def front(points: Sequence[Sequence[float]], better: Sequence[str]) -> list[int]:
    """Indices of the points that none other beats: at least as good on every axis, and better on one."""
    wide = [len(point) for point in points if len(point) != len(better)]
    if wide:
        raise ValueError(f"{len(better)} axes are named, but a point has {wide[0]} figures")
    costs = [
        tuple(-value if way == "higher" else value for value, way in zip(point, better)) for point in points
    ]

    def beaten(one: tuple[float, ...]) -> bool:
        return any(other != one and all(a <= b for a, b in zip(other, one)) for other in costs)

    return [index for index, cost in enumerate(costs) if not beaten(cost)]
