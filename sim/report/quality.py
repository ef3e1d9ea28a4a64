"""Shares of a saturated target as bars, against limits."""

from collections.abc import Sequence

from ..judge.quality import Measurement
from . import svg

WIDTH, LABEL, BAR = 1180, 330, 13


def draw(measurements: Sequence[Measurement]) -> str | None:
    """One group of bars for each measurement; None if nothing was measured."""
    if not measurements:
        return None
    scale = WIDTH - LABEL - 210
    body, top = [], 4.0
    bottom = 4.0 + sum(len(measured.shares) * (BAR + 4) + 14 for measured in measurements)
    for tenth in range(0, 11, 2):
        x = LABEL + scale * tenth / 10
        body.append(svg.line(x, 0, x, bottom, stroke="#eef1f4"))
        body.append(svg.text(x, bottom + 12, f"{tenth / 10:g}", font_size=10, fill=svg.MUTED, text_anchor="middle"))
    body.append(svg.text(WIDTH, bottom + 12, "beats per cycle", font_size=10, fill=svg.MUTED, text_anchor="end"))
    for measured in measurements:
        body.append(svg.text(2, top + 12, measured.name, font_size=12, font_weight=600, fill=svg.INK))
        body.append(svg.text(2, top + 26, measured.target, font_size=10, fill=svg.MUTED))
        for share in measured.shares:
            hue = svg.colour(share.slice)
            body.append(svg.rect(LABEL, top, scale * min(1.0, share.share), BAR, rx=2, fill=hue))
            note = f"slice {share.slice}: {share.share:.3f}, class {share.priority}"
            if share.limit is not None:
                x = LABEL + scale * min(1.0, share.limit)
                body.append(svg.line(x, top - 2, x, top + BAR + 2, stroke=svg.INK, stroke_width=2))
                note += f", limit {share.limit:.3f}"
            body.append(svg.text(LABEL + scale + 10, top + 10.5, note, font_size=11, fill=svg.INK))
            top += BAR + 4
        top += 14
    return svg.picture(WIDTH, bottom + 18, body, "shares of a saturated target")
