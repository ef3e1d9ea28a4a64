"""Sizes, rates, times and addresses as people write them."""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_RATES = {"B/s": 1, "kB/s": 10**3, "MB/s": 10**6, "GB/s": 10**9, "KiB/s": 1 << 10, "MiB/s": 1 << 20, "GiB/s": 1 << 30}
_TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


def _parse(value: object, units: dict[str, int], what: str, example: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"is not a {what}; write it as {example}")
    text = str(value) if isinstance(value, str) else f"{int(value)} {next(iter(units))}"
    match = re.fullmatch(r"\s*(\d+)(?:\.(\d+))?\s*([A-Za-z/]*)\s*", text)
    if match is None or (match[3] or next(iter(units))) not in units:
        raise ValueError(f"is not a {what}; write it as {example}")
    fraction = match[2] or ""
    scaled = int(match[1] + fraction) * units[match[3] or next(iter(units))]
    if scaled <= 0 or scaled % 10 ** len(fraction):
        raise ValueError(f"is not a whole, positive {what}; write it as {example}")
    return int(scaled // 10 ** len(fraction))


def parse_bytes(value: object) -> int:
    """Bytes of ``"4KiB"`` or a plain number of bytes; ValueError otherwise."""
    return _parse(value, _BYTES, "size", "4KiB, 1MiB or a number of bytes")


def parse_rate(value: object) -> int:
    """Bytes per second of ``"400MB/s"`` or a plain number; ValueError otherwise."""
    return _parse(value, _RATES, "bandwidth", "400MB/s or a number of bytes per second")


def parse_time(value: object) -> int:
    """Nanoseconds of ``"500us"`` or a plain number of nanoseconds; ValueError otherwise."""
    return _parse(value, _TIMES, "time", "500us or a number of nanoseconds")


def parse_address(value: object) -> int:
    """A byte address, ``0x1000`` or ``"0x1000"``; ValueError otherwise."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        address = int(value, 0) if isinstance(value, str) else int(value)
        if address < 0:
            raise ValueError
    except ValueError:
        raise ValueError("is not an address; write it as 0x1000") from None
    return address


def _format(value: int, units: dict[str, int]) -> str:
    unit, factor = max(((u, f) for u, f in units.items() if value % f == 0), key=lambda item: item[1])
    return f"{value // factor}{unit}"


def format_bytes(size: int) -> str:
    """The shortest exact way to write a size, ``4096`` as ``4KiB``."""
    return _format(size, _BYTES) if size else "0B"


def format_rate(rate: int) -> str:
    """The shortest exact way to write a bandwidth in powers of ten, ``400000000`` as ``400MB/s``."""
    return _format(rate, {unit: factor for unit, factor in _RATES.items() if "i" not in unit}) if rate else "0B/s"


def format_time(nanoseconds: int) -> str:
    """The shortest exact way to write a time, ``500000`` as ``500us``."""
    return _format(nanoseconds, _TIMES) if nanoseconds else "0ns"


def _schema(description: str) -> WithJsonSchema:
    positive = {"type": "integer", "exclusiveMinimum": 0}
    return WithJsonSchema({"anyOf": [positive, {"type": "string"}], "description": description})


Bytes = Annotated[int, BeforeValidator(parse_bytes), PlainSerializer(format_bytes), _schema("Size, such as 64KiB.")]
Rate = Annotated[int, BeforeValidator(parse_rate), PlainSerializer(format_rate), _schema("Bandwidth, such as 400MB/s.")]
Time = Annotated[int, BeforeValidator(parse_time), PlainSerializer(format_time), _schema("Time, such as 500us.")]
Address = Annotated[
    int,
    BeforeValidator(parse_address),
    PlainSerializer(hex),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}], "description": "Byte address."}),
]
