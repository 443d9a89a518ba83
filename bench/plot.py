"""Draws lines and bars into small SVGs, what is measured on a logarithmic axis."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 48
_NAMES, _VALUES, _BAR = 150, 60, 22
_COLOURS = ("#0b6e99", "#7fb8d0", "#b3540a", "#e0a878", "#3f7d3f", "#a3cfa3")


def chart(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    across: str,
    up: str,
    logarithmic: bool = False,
) -> str:
    """Return the SVG of the lines, which hold points (x, y) with y above 0.

    `logarithmic` is the horizontal axis too, from the smallest x, which is above 0 then.
    """
    points = [point for line in lines.values() for point in line]
    logarithmic = logarithmic and len({x for x, _ in points}) > 1
    right, left = max(x for x, _ in points), min(x for x, _ in points)
    low = math.floor(math.log10(min(y for _, y in points)))
    high = math.ceil(math.log10(max(y for _, y in points)))

    def along(x: float) -> float:
        return math.log(x / left) / math.log(right / left) if logarithmic else x / right

    def height(y: float) -> float:
        share = (math.log10(y) - low) / max(1, high - low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (_WIDTH - _LEFT - 2 * _RIGHT) * along(x), height(y)

    parts = _sheet(_HEIGHT)
    for exponent in range(low, high + 1):
        y = height(10.0**exponent)
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{10.0**exponent:g}", "end"))
    parts += [
        _text(place(x, 10.0**low)[0], _HEIGHT - _BOTTOM + 18, f"{x:g}", "middle")
        for x in sorted({x for x, _ in points})
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = _TOP + 20 + 18 * number
        parts.append(f'<path d="M{_LEFT + 12} {y}h24" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(_LEFT + 44, y + 4, name, "start"))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 10, across, "middle"))
    turn = f'<g transform="rotate(-90 14 {_HEIGHT / 2})">'
    parts.append(f"{turn}{_text(14, _HEIGHT / 2, up, 'middle')}</g>")
    return "\n".join([*parts, "</svg>", ""])


def bars(groups: Mapping[str, Mapping[str, float]]) -> str:
    """Return the SVG of a bar for each value above 0, each group on an axis of its own."""
    rows = sum(len(group) for group in groups.values())
    height = _TOP + _BAR * (rows + len(groups)) + _TOP
    parts, y = _sheet(height), _TOP
    for title, group in groups.items():
        y += _BAR
        parts.append(_text(_NAMES, y - 8, title, "start"))
        low = 10 ** math.floor(math.log10(min(group.values())))
        widest = _WIDTH - _NAMES - _VALUES
        scale = widest / math.log10(10 * max(group.values()) / low)
        for colour, (name, value) in zip(_COLOURS[::2] * rows, group.items(), strict=False):
            width = scale * math.log10(10 * value / low)
            where = f'x="{_NAMES}" y="{y}" width="{width:.0f}" height="{_BAR - 6}"'
            parts.append(f'<rect {where} fill="{colour}"/>')
            parts.append(_text(_NAMES - 8, y + 12, name, "end"))
            parts.append(_text(_NAMES + width + 6, y + 12, f"{value:,.0f}", "start"))
            y += _BAR
    return "\n".join([*parts, "</svg>", ""])


def _sheet(height: int) -> list[str]:
    size = f'viewBox="0 0 {_WIDTH} {height}"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
