"""The flat AXI signals of the top module, and their connection to the fabric's streams."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bus import axi
from .fabric.egress_read import EgressRead
from .fabric.egress_write import EgressWrite
from .fabric.ingress_read import IngressRead
from .fabric.ingress_write import IngressWrite
from .plan.plan import Plan

ADDRESS_FIELDS = ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "user")


def flat(name: str, signature: wiring.Signature, *, manager: bool) -> dict[str, wiring.Member]:
    """The members of a bus as ``<name>_<member>``, seen from its manager or from the other side."""
    return {
        f"{name}_{key}": (Out if (member.flow == Out) == manager else In)(member.shape)
        for key, member in signature.members.items()
    }


def axi_members(plan: Plan) -> dict[str, wiring.Member]:
    """All AXI4 ports of a card: the card is the subordinate of its initiators and the manager of its targets."""
    members: dict[str, wiring.Member] = {}
    for port in plan.initiators:
        signature = axi.Signature(
            data_width=plan.data_width,
            address_width=plan.address_width,
            id_width=plan.id_width,
            user_width=plan.user_bits,
        )
        members |= flat(port.name, signature, manager=False)
    for target in plan.targets:
        signature = axi.Signature(
            data_width=plan.data_width,
            address_width=target.address_bits,
            id_width=plan.source_bits,
            user_width=plan.slice_bits,
        )
        members |= flat(target.name, signature, manager=True)
    return members


class _Port:
    """Attribute access to the flat signals of one port."""

    def __init__(self, top: wiring.Component, name: str) -> None:
        self._top, self._name = top, name

    def __getattr__(self, key: str) -> Any:
        return getattr(self._top, f"{self._name}_{key}")


def connect_initiator(m: Module, top: wiring.Component, name: str, read: IngressRead, write: IngressWrite) -> None:
    """Between an initiator's AXI signals and its ingress."""
    port = _Port(top, name)
    for channel, stream in (("ar", read.ar), ("aw", write.aw)):
        for field in ADDRESS_FIELDS:
            m.d.comb += stream.payload[field].eq(getattr(port, channel + field))
        m.d.comb += [
            stream.valid.eq(getattr(port, f"{channel}valid")),
            getattr(port, f"{channel}ready").eq(stream.ready),
        ]
    m.d.comb += [
        write.w.valid.eq(port.wvalid),
        port.wready.eq(write.w.ready),
        write.w.payload.data.eq(port.wdata),
        write.w.payload.strb.eq(port.wstrb),
        port.bvalid.eq(write.b.valid),
        write.b.ready.eq(port.bready),
        port.bid.eq(write.b.payload.id),
        port.bresp.eq(write.b.payload.resp),
        port.rvalid.eq(read.r.valid),
        read.r.ready.eq(port.rready),
        port.rid.eq(read.r.payload.id),
        port.rdata.eq(read.r.payload.data),
        port.rresp.eq(read.r.payload.resp),
        port.rlast.eq(read.r.payload.last),
    ]


def connect_target(m: Module, top: wiring.Component, name: str, read: EgressRead, write: EgressWrite) -> None:
    """Between an egress and its target's AXI signals."""
    port = _Port(top, name)
    for channel, stream in (("ar", read.ar), ("aw", write.aw)):
        request = stream.payload.request
        values = {
            "valid": stream.valid,
            "id": stream.payload.source,
            "addr": request.address,
            "len": request.length,
            "size": request.size,
            "burst": request.burst,
            "lock": request.lock,
            "cache": request.cache,
            "prot": request.protection,
            "user": request.slice,
        }
        for field, value in values.items():
            m.d.comb += getattr(port, channel + field).eq(value)
        m.d.comb += stream.ready.eq(getattr(port, f"{channel}ready"))
    m.d.comb += [
        port.wvalid.eq(write.w.valid),
        write.w.ready.eq(port.wready),
        port.wdata.eq(write.w.payload.data),
        port.wstrb.eq(write.w.payload.strobe),
        port.wlast.eq(write.w.payload.last),
        write.b.valid.eq(port.bvalid),
        port.bready.eq(write.b.ready),
        write.b.payload.id.eq(port.bid),
        write.b.payload.resp.eq(port.bresp),
        read.r.valid.eq(port.rvalid),
        port.rready.eq(read.r.ready),
        read.r.payload.id.eq(port.rid),
        read.r.payload.data.eq(port.rdata),
        read.r.payload.resp.eq(port.rresp),
        read.r.payload.last.eq(port.rlast),
    ]
