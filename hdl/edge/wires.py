"""What all adapters do with the channels of two AXI4 ports: connect what passes unchanged."""

from collections.abc import Container

from amaranth.hdl import Module
from amaranth.lib import data

from ..bus import axi

ADDRESS = ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos", "user")
PAYLOADS = {
    "aw": ADDRESS,
    "w": ("data", "strb", "last"),
    "b": ("id", "resp"),
    "ar": ADDRESS,
    "r": ("id", "data", "resp", "last"),
}
"""Fields of each channel beside valid and ready."""


def pass_payload(m: Module, up, down, channel: str, *, but: Container[str] = ()) -> None:
    """Let the fields of a channel pass from the side that drives them, except for those in `but`."""
    source, sink = (down, up) if channel in ("r", "b") else (up, down)
    for field in PAYLOADS[channel]:
        if field not in but:
            m.d.comb += getattr(sink, channel + field).eq(getattr(source, channel + field))


def pass_channel(m: Module, up, down, channel: str) -> None:
    """Let a channel pass as it is."""
    source, sink = (down, up) if channel in ("r", "b") else (up, down)
    pass_payload(m, up, down, channel)
    m.d.comb += [
        getattr(sink, f"{channel}valid").eq(getattr(source, f"{channel}valid")),
        getattr(source, f"{channel}ready").eq(getattr(sink, f"{channel}ready")),
    ]


def address_layout(signature: axi.Signature) -> data.StructLayout:
    """An address beat of a port."""
    return data.StructLayout({field: signature.members[f"ar{field}"].shape for field in ADDRESS})


def answer_layout(signature: axi.Signature) -> data.StructLayout:
    """A beat of R of a port."""
    return data.StructLayout({field: signature.members[f"r{field}"].shape for field in PAYLOADS["r"]})


def resized(signature: axi.Signature, *, data_width: int | None = None, id_width: int | None = None) -> axi.Signature:
    """The same port with another width of data or ID."""
    return axi.Signature(
        data_width=signature.data_width if data_width is None else data_width,
        address_width=signature.address_width,
        id_width=signature.id_width if id_width is None else id_width,
        user_width=signature.user_width,
    )
