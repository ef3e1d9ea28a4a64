"""Long IDs on a side that has few ID bits."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus import axi
from .id_table import IdTable
from .wires import pass_channel, pass_payload, resized


class IdRemap(wiring.Component):
    """Lends short IDs to long ones, reads and writes apart; see :class:`IdTable` for who waits.

    Exclusive accesses become normal ones: a monitor behind the short IDs would take one initiator for another. The
    answers say OKAY, as those of a target without exclusive accesses (IHI 0022H, A7.2.3).
    Latency: combinational; a request per cycle. Nothing is stored but the table.

    Parameters
    ----------
    signature : axi.Signature
        Of the side with long IDs.
    id_width : int
        Of the other side, in bits.

    Members
    -------
    up : In(signature)
    down : Out(axi.Signature)
    """

    def __init__(self, signature: axi.Signature, *, id_width: int) -> None:
        if not 1 <= id_width < signature.id_width:
            raise ValueError(f"ID width must be 1 to {signature.id_width - 1} bits, not {id_width!r}")
        super().__init__({"up": In(signature), "down": Out(resized(signature, id_width=id_width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        up, down = self.up, self.down
        widths = {"long_width": up.signature.id_width, "short_width": down.signature.id_width}
        m.submodules.reads = reads = IdTable(**widths)
        m.submodules.writes = writes = IdTable(**widths)
        for request, answer, table in (("ar", "r", reads), ("aw", "b", writes)):
            pass_payload(m, up, down, request, but=("id", "lock"))
            pass_payload(m, up, down, answer, but=("id",))
            valid, ready = (getattr(up, request + name) for name in ("valid", "ready"))
            answer_valid, answer_ready = (getattr(up, answer + name) for name in ("valid", "ready"))
            m.d.comb += [
                table.valid.eq(valid),
                table.long.eq(getattr(up, f"{request}id")),
                getattr(down, f"{request}id").eq(table.short),
                getattr(down, f"{request}valid").eq(valid & table.go),
                ready.eq(getattr(down, f"{request}ready") & table.go),
                table.taken.eq(ready),
                table.answer.eq(getattr(down, f"{answer}id")),
                getattr(up, f"{answer}id").eq(table.owner),
                # What nobody asked for is taken and dropped.
                answer_valid.eq(getattr(down, f"{answer}valid") & table.known),
                getattr(down, f"{answer}ready").eq(answer_ready | ~table.known),
            ]
        m.d.comb += [
            reads.done.eq(up.rvalid & up.rready & down.rlast),
            writes.done.eq(up.bvalid & up.bready),
        ]
        pass_channel(m, up, down, "w")
        return m
