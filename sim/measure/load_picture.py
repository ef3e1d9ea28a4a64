"""Curves of latency over load as a picture: a panel for each pattern, reads and writes apart."""

from typing import Any

from ..report import svg

WIDTH, HEIGHT = 260, 190
LEFT, TOP, RIGHT, BOTTOM = 44, 34, 12, 34
TALLEST = 8
"""Times the shortest latency; what is above is not shown."""


def draw(curves: list[dict[str, Any]]) -> str:
    """A row of panels for reads and one for writes; a colour for each topology."""
    patterns = list(dict.fromkeys(curve["pattern"] for curve in curves))
    planes = list(dict.fromkeys(curve["plane"] for curve in curves))
    topologies = list(dict.fromkeys(curve["topology"] for curve in curves))
    body = []
    for row, plane in enumerate(planes):
        for column, pattern in enumerate(patterns):
            own = [curve for curve in curves if (curve["plane"], curve["pattern"]) == (plane, pattern)]
            body += _panel(f"{pattern}, {plane}s", own, topologies, column * WIDTH, row * HEIGHT)
    legend = HEIGHT * len(planes) + 14
    for number, topology in enumerate(topologies):
        x = LEFT + 110 * number
        body.append(svg.line(x, legend - 4, x + 22, legend - 4, stroke=svg.colour(number), stroke_width=2))
        body.append(svg.text(x + 28, legend, topology, font_size=12, fill=svg.INK))
    says = "beats per cycle and initiator, accepted, over mean latency in cycles; dashed: what the fabric could carry"
    body.append(svg.text(LEFT + 110 * len(topologies), legend, says, font_size=12, fill=svg.MUTED))
    return svg.picture(max(1, len(patterns)) * WIDTH, legend + 10, body, "latency at rising load")


def _panel(title: str, curves: list[dict[str, Any]], topologies: list[str], x0: float, y0: float) -> list[str]:
    widest = 1.1 * max(curve["bound"] for curve in curves)
    tallest = TALLEST * min(point["mean"] for curve in curves for point in curve["points"])
    across, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(load: float, latency: float) -> tuple[float, float]:
        return x0 + LEFT + across * load / widest, y0 + TOP + high * (1 - min(latency, tallest) / tallest)

    body = [svg.text(x0 + LEFT, y0 + TOP - 12, title, font_size=13, font_weight=600, fill=svg.INK)]
    for quarter in range(5):
        latency, load = tallest * quarter / 4, widest * quarter / 4
        x, y = place(load, latency)
        body.append(svg.line(x0 + LEFT, y, x0 + LEFT + across, y, stroke="#eef1f4"))
        body.append(svg.text(x0 + LEFT - 6, y + 4, f"{latency:.0f}", font_size=10, fill=svg.MUTED, text_anchor="end"))
        body.append(
            svg.text(x, y0 + TOP + high + 14, f"{load:.2f}", font_size=10, fill=svg.MUTED, text_anchor="middle")
        )
    for curve in curves:
        hue = svg.colour(topologies.index(curve["topology"]))
        x, _ = place(curve["bound"], 0)
        dashes = {"stroke": hue, "stroke_dasharray": "3 3", "stroke_width": 1}
        body.append(svg.line(x, y0 + TOP, x, y0 + TOP + high, **dashes))
        shown = []
        for point in curve["points"]:
            shown.append(place(point["accepted"], point["mean"]))
            if point["mean"] > tallest:
                break
        points = " L".join(f"{x:.1f} {y:.1f}" for x, y in shown)
        body.append(svg.path(f"M{points}", fill="none", stroke=hue, stroke_width=2))
        body += [svg.circle(x, y, 2.5, fill=hue) for x, y in shown]
    return body
