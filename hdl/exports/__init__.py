"""The register map in the formats of other tools. Pure text from the plan: the same card gives the same bytes."""

from collections.abc import Callable

from ..plan import Plan
from . import c_header, html, json_text, markdown, svd, systemrdl
from .product import Product, notice

_WRITERS: dict[str, Callable[[Product], str]] = {
    "json": json_text.write,
    "rdl": systemrdl.write,
    "c": c_header.write,
    "svd": svd.write,
    "md": markdown.write,
    "html": html.write,
}
FORMATS = tuple(_WRITERS)
"""Names of the formats."""

SUFFIXES = {name: "h" if name == "c" else name for name in FORMATS}
"""File name suffix of each format."""


def export_registers(plan: Plan, form: str) -> str:
    """The register map of a card as text.

    Parameters
    ----------
    plan : Plan
        The card.
    form : str
        One of `FORMATS`.

    Raises
    ------
    KeyError
        There is no such format.
    """
    return _WRITERS[form](Product(plan))


__all__ = ["FORMATS", "SUFFIXES", "export_registers", "notice"]
