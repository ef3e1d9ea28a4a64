"""A few SVG elements as text, and the colours of slices."""

from html import escape

PALETTE = ("#2f6fdb", "#e0782a", "#2a9d5c", "#8e4ec6", "#0e94a8", "#c49a12", "#d6457f", "#6b7a2f", "#a2543a", "#5661c9")
NOBODY = "#e6e9ee"
INK, MUTED, LINE = "#1d2733", "#66717f", "#c9d1da"


def colour(number: int | None) -> str:
    """Colour of a slice, or of nobody."""
    return NOBODY if number is None else PALETTE[number % len(PALETTE)]


def attributes(**values: object) -> str:
    """Attributes of an element; ``_`` in a name stands for ``-``."""
    return " ".join(f'{name.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for name, value in values.items())


def rect(x: float, y: float, width: float, height: float, title: str = "", **values: object) -> str:
    """A rectangle, with a tool tip if there is a title."""
    box = attributes(x=_round(x), y=_round(y), width=_round(width), height=_round(height), **values)
    return f"<rect {box}><title>{escape(title)}</title></rect>" if title else f"<rect {box}/>"


def text(x: float, y: float, content: object, **values: object) -> str:
    """A line of text."""
    return f"<text {attributes(x=_round(x), y=_round(y), **values)}>{escape(str(content))}</text>"


def path(points: str, **values: object) -> str:
    """A path."""
    return f"<path {attributes(d=points, **values)}/>"


def named(element: str, title: str) -> str:
    """An element with a tool tip."""
    return f"<g><title>{escape(title)}</title>{element}</g>"


def line(x1: float, y1: float, x2: float, y2: float, **values: object) -> str:
    """A straight line."""
    return f"<line {attributes(x1=_round(x1), y1=_round(y1), x2=_round(x2), y2=_round(y2), **values)}/>"


def circle(x: float, y: float, radius: float, **values: object) -> str:
    """A circle."""
    return f"<circle {attributes(cx=_round(x), cy=_round(y), r=_round(radius), **values)}/>"


def picture(width: float, height: float, body: list[str], label: str) -> str:
    """A whole picture, as wide as its place allows."""
    head = attributes(viewBox=f"0 0 {_round(width)} {_round(height)}", role="img", aria_label=label)
    # The name space is what makes it a picture also where it is a file of its own.
    return f"<svg xmlns='http://www.w3.org/2000/svg' font-family='system-ui, sans-serif' {head}>{''.join(body)}</svg>"


def _round(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
