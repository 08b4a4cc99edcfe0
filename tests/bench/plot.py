"""A bar chart as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

_ROW = 34
_LEFT = 150
_WIDTH = 640


def bars(title: str, values: Mapping[str, float]) -> str:
    """Horizontal bars, longest = full width, each with its value."""
    top = max(values.values(), default=1.0) or 1.0
    scale = (_WIDTH - _LEFT - 80) / top
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" '
        f'height="{_ROW * len(values) + 60}" font-family="sans-serif" font-size="14">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="28" font-size="17" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(values.items()):
        y = 48 + number * _ROW
        parts += [
            f'<text x="{_LEFT - 10}" y="{y + 17}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{value * scale:.1f}" height="24" fill="#3b6fb6"/>',
            f'<text x="{_LEFT + value * scale + 8:.1f}" y="{y + 17}">{value:.3g}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
