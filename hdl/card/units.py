"""Sizes and frequencies as people write them."""

import re
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_HERTZ = {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9}


def _parse(value: object, units: dict[str, int], what: str, example: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"is not a {what}; write it as {example}")
    if isinstance(value, int):
        result = Fraction(value)
    else:
        match = re.fullmatch(r"\s*(\d{1,20}(?:\.\d{1,20})?)\s*([A-Za-z]+)\s*", value, re.ASCII)
        if match is None or match[2] not in units:
            raise ValueError(f"is not a {what}; write it as {example}")
        result = Fraction(match[1]) * units[match[2]]
    if result <= 0 or result.denominator != 1:
        raise ValueError(f"is not a whole, positive {what}; write it as {example}")
    return int(result)


def parse_bytes(value: object) -> int:
    """Bytes of ``"4KiB"``, ``"1MiB"`` or a plain number of bytes; ValueError otherwise."""
    return _parse(value, _BYTES, "size", "4KiB, 1MiB or a number of bytes")


def parse_hertz(value: object) -> int:
    """Hertz of ``"100MHz"`` or a plain number of hertz; ValueError otherwise."""
    return _parse(value, _HERTZ, "frequency", "100MHz or a number of hertz")


def format_bytes(size: int) -> str:
    """The shortest exact way to write a size, ``4096`` as ``4KiB``."""
    for unit, factor in reversed(_BYTES.items()):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def _schema(units: dict[str, int], form: str) -> WithJsonSchema:
    text = {"type": "string", "pattern": rf"^\s*\d{{1,20}}(\.\d{{1,20}})?\s*({'|'.join(units)})\s*$"}
    return WithJsonSchema({"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, text], "format": form})


Bytes = Annotated[int, BeforeValidator(parse_bytes), PlainSerializer(format_bytes), _schema(_BYTES, "size")]
Hertz = Annotated[int, BeforeValidator(parse_hertz), _schema(_HERTZ, "frequency")]
