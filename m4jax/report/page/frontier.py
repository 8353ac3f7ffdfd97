"""What balancing could reach: the bias that is left at each keep rate."""

import math
from collections.abc import Sequence

from m4jax.report.page import charts
from m4jax.report.page.content import Point
from m4jax.report.page.html import Markup, element, short
from m4jax.report.page.numbers import Writer, number

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 56, 16, 24, 44
STYLES = 4  # ways in which lines are drawn; more curves take turns
TICKS = 5


def draw(points: Sequence[Point], largest: float) -> Markup:
    """Returns the curves, with a line at the largest keep rate at which all limits hold.

    Args:
        points: of all curves, in any order.
        largest: keep rate, a fraction; NaN: not drawn.
    """
    curves = by_curve(points)
    step = charts.nice(
        max((p.value for p in points if math.isfinite(p.value)), default=0.0) / TICKS
    )
    top = TICKS * step
    write = Writer("points", [top])
    parts = _axes(top)
    if math.isfinite(largest):
        x, _ = _place(largest, 0.0, top)
        parts.append(element("path", class_="z", d=f"M{x} {TOP - 6}V{HEIGHT - BOTTOM}"))
        left = x > WIDTH / 2
        parts.append(element("text", f"all limits hold up to {number(100 * largest, 0)}%",
                             x=x - 5 if left else x + 5, y=TOP - 8,
                             text_anchor="end" if left else "start"))  # fmt: skip
    for i, mine in enumerate(curves.values()):
        style = i % STYLES + 1
        path, pen = "", "M"  # the line is broken where there is no value
        for point in mine:
            if math.isfinite(point.value):
                x, y = _place(point.keep_rate, point.value, top)
                path, pen = f"{path}{pen}{x} {y}", "L"
                parts.append(dot(x, y, style))
            else:
                pen = "M"
        parts.append(element("path", class_=f"s{style}", d=path) if path else Markup())
    about = "; ".join(
        f"{short(curve) or 'bias'}: "
        + ", ".join(f"{number(100 * p.keep_rate, 0)}% kept, {write.full(p.value)}" for p in mine)
        for curve, mine in curves.items()
    )
    return charts.picture("Bias that is left by how much is kept", about, WIDTH, HEIGHT, parts)


def legend(points: Sequence[Point]) -> Markup | None:
    """Returns which line is which; None where there is only one."""
    curves = list(by_curve(points))
    if len(curves) < 2:
        return None
    items = []
    for i, curve in enumerate(curves):
        style = i % STYLES + 1
        line = element("path", class_=f"s{style}", d="M2 7H34")
        key = element("svg", line, dot(18, 7, style), viewBox="0 0 36 14", width=36,
                      height=14, aria_hidden="true")  # fmt: skip
        items.append(element("li", key, " ", short(curve)))
    return element("ul", *items, class_="legend")


def by_curve(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Returns the points of each curve, by keep rate."""
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.curve, []).append(point)
    return {name: sorted(mine, key=lambda p: p.keep_rate) for name, mine in curves.items()}


def dot(x: float, y: float, style: int) -> Markup:
    """Returns a mark whose shape tells curves apart as well as its colour."""
    shapes = {
        1: f"M{x - 3.5} {y}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
        2: f"M{x - 3.5} {y - 3.5}h7v7h-7z",
        3: f"M{x} {y - 4.5}l4.5 8h-9z",
        4: f"M{x} {y - 4.5}l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
    }
    return element("path", class_=f"d{style}", d=shapes[style])


def _axes(top: float) -> list[Markup]:
    floor, end = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    marks = [f"{100 * top * i / TICKS:.2f}".rstrip("0").rstrip(".") for i in range(TICKS + 1)]
    for i in range(TICKS + 1):
        _, y = _place(0, top * i / TICKS, top)
        parts.append(element("path", class_="g", d=f"M{LEFT} {y}H{end}"))
        parts.append(element("text", marks[i], x=LEFT - 7, y=y + 4,
                             text_anchor="end"))  # fmt: skip
    for rate in (0, 0.2, 0.4, 0.6, 0.8, 1):
        x, _ = _place(rate, 0, top)
        parts.append(element("text", f"{100 * rate:.0f}%", x=x, y=floor + 16,
                             text_anchor="middle"))  # fmt: skip
    parts.append(element("path", class_="a", d=f"M{LEFT} {TOP}V{floor}H{end}"))
    parts.append(element("text", "examples kept", x=end, y=HEIGHT - 8, text_anchor="end"))
    parts.append(element("text", "bias left, points", x=4, y=12))
    return parts


def _place(rate: float, value: float, top: float) -> tuple[float, float]:
    x = LEFT + rate * (WIDTH - LEFT - RIGHT)
    y = HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)
    return round(x, 1), round(y, 1)
