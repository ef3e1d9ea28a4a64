"""The flat AXI signals of the top module, and their connection to the fabric's streams."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bus import axi
from .fabric.egress import Egress
from .fabric.egress_strict import StrictEgress
from .fabric.ingress_read import IngressRead
from .fabric.ingress_strict import StrictIngress
from .fabric.ingress_write import IngressWrite
from .plan.plan import Initiator, Plan, Target

AnyEgress = Egress | StrictEgress
AnyRead = IngressRead | StrictIngress
AnyWrite = IngressWrite | StrictIngress
ADDRESS_FIELDS = ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "user")


def flat(name: str, signature: wiring.Signature, *, manager: bool) -> dict[str, wiring.Member]:
    """The members of a bus as ``<name>_<member>``, seen from its manager or from the other side."""
    return {
        f"{name}_{key}": (Out if (member.flow == Out) == manager else In)(member.shape)
        for key, member in signature.members.items()
    }


def inner_signature(plan: Plan, port: Initiator | Target) -> axi.Signature:
    """A port as the data plane has it."""
    initiator = isinstance(port, Initiator)
    return axi.Signature(
        data_width=plan.data_width,
        address_width=plan.address_width if isinstance(port, Initiator) else port.address_bits,
        id_width=plan.id_width if initiator else plan.target_id_bits,
        user_width=plan.user_bits if initiator else plan.slice_bits,
    )


def inner_members(plan: Plan, port: Initiator | Target) -> dict[str, wiring.Member]:
    """The same as members: the card is the subordinate of its initiators and the manager of its targets."""
    return flat(port.name, inner_signature(plan, port), manager=isinstance(port, Target))


def axi_members(plan: Plan) -> dict[str, wiring.Member]:
    """All AXI4 ports of the data plane."""
    return {name: member for port in plan.ports for name, member in inner_members(plan, port).items()}


class _Port:
    """Attribute access to the flat signals of one port."""

    def __init__(self, top: wiring.Component, name: str) -> None:
        self._top, self._name = top, name

    def __getattr__(self, key: str) -> Any:
        return getattr(self._top, f"{self._name}_{key}")


def connect_initiator(m: Module, top: wiring.Component, name: str, read: AnyRead, write: AnyWrite) -> None:
    """Between an initiator's AXI signals and its ingress."""
    port = _Port(top, name)
    for channel, stream in (("ar", read.address), ("aw", write.address)):
        for field in ADDRESS_FIELDS:
            m.d.comb += stream.payload[field].eq(getattr(port, channel + field))
        m.d.comb += [
            stream.valid.eq(getattr(port, f"{channel}valid")),
            getattr(port, f"{channel}ready").eq(stream.ready),
        ]
    for channel, stream in (("r", read.o), ("b", write.o)):
        m.d.comb += [
            getattr(port, f"{channel}valid").eq(stream.valid),
            stream.ready.eq(getattr(port, f"{channel}ready")),
            getattr(port, f"{channel}id").eq(stream.payload.id),
            getattr(port, f"{channel}resp").eq(stream.payload.answer.response),
        ]
    m.d.comb += [
        port.rdata.eq(read.o.payload.answer.data),
        port.rlast.eq(read.o.payload.answer.last),
        write.w.valid.eq(port.wvalid),
        port.wready.eq(write.w.ready),
        write.w.payload.data.eq(port.wdata),
        write.w.payload.strb.eq(port.wstrb),
    ]


def connect_target(m: Module, top: wiring.Component, name: str, read: AnyEgress, write: AnyEgress) -> None:
    """Between an egress and its target's AXI signals."""
    port = _Port(top, name)
    for channel, egress in (("ar", read), ("aw", write)):
        request = egress.address.payload
        values = {
            "valid": egress.address.valid,
            "id": egress.identity,
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
        m.d.comb += egress.address.ready.eq(getattr(port, f"{channel}ready"))
    for channel, egress in (("r", read), ("b", write)):
        m.d.comb += [
            egress.answer.valid.eq(getattr(port, f"{channel}valid")),
            getattr(port, f"{channel}ready").eq(egress.answer.ready),
            egress.answer.payload.id.eq(getattr(port, f"{channel}id")),
            egress.answer.payload.answer.response.eq(getattr(port, f"{channel}resp")),
        ]
    m.d.comb += [
        read.answer.payload.answer.data.eq(port.rdata),
        read.answer.payload.answer.last.eq(port.rlast),
        write.answer.payload.answer.last.eq(1),
        port.wvalid.eq(write.w.valid),
        write.w.ready.eq(port.wready),
        port.wdata.eq(write.w.payload.data),
        port.wstrb.eq(write.w.payload.strobe),
        port.wlast.eq(write.w.payload.last),
    ]
