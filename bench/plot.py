"""Draws lines into a small SVG, the vertical axis logarithmic."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 48
_COLOURS = ("#0b6e99", "#7fb8d0", "#b3540a", "#e0a878", "#3f7d3f", "#a3cfa3")


def chart(lines: Mapping[str, Sequence[tuple[float, float]]], *, across: str, up: str) -> str:
    """Return the SVG of the lines, which hold points (x, y) with y above 0."""
    points = [point for line in lines.values() for point in line]
    right = max(x for x, _ in points)
    low = math.floor(math.log10(min(y for _, y in points)))
    high = math.ceil(math.log10(max(y for _, y in points)))

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(y) - low) / max(1, high - low)
        return (
            _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / right,
            _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share,
        )

    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for exponent in range(low, high + 1):
        _, y = place(0, 10.0**exponent)
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


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
