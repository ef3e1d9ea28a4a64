"""A run over time: throughput and latency of each slice, and what was reconfigured when."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

from ..judge.figures import Curve
from . import svg

WIDTH, LABEL, RIGHT = 1180, 160, 30
TOP, BEATS, LATENCY, GAP = 30, 56, 34, 16
ROW = BEATS + LATENCY + GAP


@dataclass(frozen=True)
class Change:
    """A reconfiguration: its number in the picture, cycles, title and the slices that it names."""

    number: int
    begin: int
    end: int
    title: str
    slices: tuple[int, ...]


def _nice(value: float) -> float:
    """The next round number."""
    for magnitude in (10.0**power for power in range(-3, 9)):
        for step in (1, 2, 5):
            if value <= step * magnitude:
                return step * magnitude
    return value


def _area(values: Sequence[float | None], most: float, top: float, height: float, step: float) -> str:
    points = "".join(
        f"L{LABEL + place * step:.1f} {top + height * (1 - min(1.0, (value or 0) / most)):.1f}h{step:.1f}"
        for place, value in enumerate(values)
    )
    return f"M{LABEL} {top + height:.1f}{points}V{top + height:.1f}Z"


def _line(values: Sequence[float | None], top: float, height: float, step: float) -> str:
    """A line through the middles of the bins, of values from 0 to 1; a gap where there is no value."""
    points, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        points.append(f"{pen}{LABEL + (place + 0.5) * step:.1f} {top + height * (1 - min(1.0, value)):.1f}")
        pen = "L"
    return "".join(points)


def _logarithms(values: Sequence[float | None], most: float) -> list[float | None]:
    """Logarithmic, since the longest latencies are many times the usual ones; 1 cycle is 0, `most` is 1."""
    return [None if value is None else log(max(1.0, value)) / log(max(2.0, most)) for value in values]


def _axis(start: int, bins: int, width: int, height: float, step: float) -> list[str]:
    """Cycles below the picture."""
    drawn = []
    every = _nice(bins * width / 9)
    cycle = ceil(start / every) * every
    while cycle <= start + bins * width:
        x = LABEL + (cycle - start) / width * step
        drawn.append(svg.line(x, TOP, x, height, stroke="#eef1f4"))
        label = f"{cycle:,.0f}".replace(",", "\u202f")
        drawn.append(svg.text(x, height + 14, label, font_size=10, fill=svg.MUTED, text_anchor="middle"))
        cycle += every
    drawn.append(svg.text(WIDTH - RIGHT, height + 28, "cycles", font_size=10, fill=svg.MUTED, text_anchor="end"))
    return drawn


def _changes(changes: Sequence[Change], start: int, width: int, height: float, step: float) -> list[str]:
    drawn = []
    last = 0.0
    for change in changes:
        begin, end = (LABEL + (cycle - start) / width * step for cycle in (change.begin, change.end))
        drawn.append(
            svg.rect(
                begin, TOP - 6, max(2.0, end - begin), height - TOP + 6, change.title, fill="#f3c969", opacity=0.35
            )
        )
        # Numbers of changes that follow each other closely move right, so that each can be read.
        x = max((begin + end) / 2, last + 19)
        last = x
        drawn.append(f'<circle cx="{x:.1f}" cy="{TOP - 16:.1f}" r="9" fill="#9a6b00"/>')
        drawn.append(svg.text(x, TOP - 12.5, change.number, font_size=10, fill="#fff", text_anchor="middle"))
    return drawn


def _short(name: str) -> str:
    """A name that fits beside its curves."""
    return name if len(name) < 22 else name[:20] + "\u2026"


def _row(
    curve: Curve, quiet: Curve | None, name: str, top: float, step: float, scale: tuple[float, float]
) -> list[str]:
    hue = svg.colour(curve.slice)
    beats, latency = scale
    below = top + BEATS + 4
    drawn = [
        svg.rect(2, top + 4, 12, 12, rx=3, fill=hue),
        svg.text(20, top + 14, _short(name), font_size=12 if len(name) < 14 else 10, font_weight=600, fill=svg.INK),
        svg.text(LABEL - 8, top + 9, f"{beats:g}", font_size=9, fill=svg.MUTED, text_anchor="end"),
        svg.text(20, top + 30, "beats per cycle", font_size=9.5, fill=svg.MUTED),
        svg.text(20, below + 14, "cycles latency (log)", font_size=9.5, fill=svg.MUTED),
        svg.text(LABEL - 8, below + 8, f"{latency:g}", font_size=9, fill=svg.MUTED, text_anchor="end"),
        path_line(top + BEATS),
        path_line(below + LATENCY),
        svg.path(
            _area(curve.beats, beats, top, BEATS, step), fill=hue, fill_opacity=0.30, stroke=hue, stroke_width=0.8
        ),
    ]
    if quiet is not None:
        dashes = {"fill": "none", "stroke": "#48525e", "stroke_width": 0.9, "stroke_dasharray": "2 2"}
        shown = [None if value is None else value / beats for value in quiet.beats]
        drawn.append(svg.path(_line(shown, top, BEATS, step), **dashes))
    for values, looks in (
        (curve.longest, {"stroke_opacity": 0.45}),
        (curve.mean, {"stroke_width": 1.8}),
    ):
        points = _line(_logarithms(values, latency), below, LATENCY, step)
        drawn.append(svg.path(points, fill="none", stroke=hue, **looks))
    return drawn


def path_line(y: float) -> str:
    """A base line."""
    return svg.line(LABEL, y, WIDTH - RIGHT, y, stroke=svg.LINE)


def draw(
    start: int,
    width: int,
    curves: Sequence[Curve],
    quiet: Sequence[Curve],
    names: dict[int, str],
    changes: Sequence[Change],
) -> str:
    """One row for each slice, over the cycles from `start` on; `width` is the number of cycles in a bin."""
    bins = max((len(curve.beats) for curve in curves), default=1)
    step = (WIDTH - LABEL - RIGHT) / bins
    height = TOP + ROW * len(curves)
    beats = _nice(max((max(curve.beats) for curve in curves), default=1) or 1)
    latency = _nice(max((max((v for v in curve.longest if v is not None), default=1) for curve in curves), default=1))
    body = _axis(start, bins, width, height - GAP + 4, step) + _changes(changes, start, width, height - GAP + 4, step)
    twins = {curve.slice: curve for curve in quiet}
    for place, curve in enumerate(curves):
        name = names.get(curve.slice, f"slice {curve.slice}")
        body += _row(curve, twins.get(curve.slice), name, TOP + place * ROW, step, (beats, latency))
    return svg.picture(WIDTH, height + 22, body, "throughput and latency of each slice over the run")
