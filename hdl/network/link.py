"""What a link of a network carries."""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


def flit_layout(sources: int, sinks: int, class_bits: int, payload: data.StructLayout) -> data.StructLayout:
    """What crosses a link in a cycle: from which port, to which, the class of its slice, if any, and what it is about.

    Every flit says where it goes, so none waits for another: a packet is one flit long.
    """
    return data.StructLayout(
        {
            "source": max(1, (sources - 1).bit_length()),
            "sink": max(1, (sinks - 1).bit_length()),
            **({"class": class_bits} if class_bits else {}),
            "payload": payload,
        }
    )


def link_signature(flit: data.StructLayout, lanes: int = 1) -> wiring.Signature:
    """A link with so many virtual channels.

    Members
    -------
    flit : Out
    valid : Out(lanes)
        One-hot or zero: the virtual channel on which it comes.
    ready : In(lanes)
        There is room behind each; registers.
    """
    return wiring.Signature({"flit": Out(flit), "valid": Out(lanes), "ready": In(lanes)})
