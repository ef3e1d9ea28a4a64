"""Which adapters a port needs, and how they stand in a row."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus import axi
from ..plan.edge import Edge
from .id_queues import SHORT_ID_BITS
from .id_remap import IdRemap
from .limit import Limit
from .lite_initiator import LiteInitiator
from .lite_target import LiteTarget
from .narrow import Narrow
from .widen import Widen

TARGET_DEPTH = 16
"""Bursts that an adapter at a target port remembers for each ID."""


def outer_signature(edge: Edge, inner: axi.Signature) -> axi.Signature | axi.LiteSignature:
    """The port as what is attached sees it; `inner` is the same port of the data plane."""
    if edge.lite:
        return axi.LiteSignature(address_width=inner.address_width, data_width=edge.data_width)
    return axi.Signature(
        data_width=edge.data_width,
        address_width=inner.address_width,
        id_width=edge.id_width,
        user_width=inner.user_width,
    )


def _converter(signature: axi.Signature, data_width: int, depth: int) -> list[wiring.Component]:
    """What makes another data width of a port, nothing if it has it already."""
    if data_width > signature.data_width:
        return [Widen(signature, data_width=data_width, depth=depth)]
    if data_width < signature.data_width:
        return [Narrow(signature, data_width=data_width, depth=depth)]
    return []


def initiator_stages(edge: Edge, inner: axi.Signature, outstanding: int) -> list[wiring.Component]:
    """Adapters of an initiator port, from the outside to the data plane, which allows so many `outstanding`."""
    stages: list[wiring.Component] = []
    here = outer_signature(edge, inner)
    if edge.lite:
        stages.append(LiteInitiator(here, user_width=inner.user_width))
        here = stages[-1].down.signature
    if edge.outstanding < outstanding:
        stages.append(Limit(here, outstanding=edge.outstanding))
    if here.data_width != inner.data_width and here.id_width > SHORT_ID_BITS:
        stages.append(IdRemap(here, id_width=SHORT_ID_BITS))
        here = stages[-1].down.signature
    depth = max(2, 1 << (edge.outstanding - 1).bit_length())
    return stages + _converter(here, inner.data_width, depth)


def target_stages(edge: Edge, inner: axi.Signature) -> list[wiring.Component]:
    """Adapters of a target port, from the data plane to the outside."""
    stages: list[wiring.Component] = []
    here = inner
    id_width = inner.id_width if edge.lite else min(inner.id_width, edge.id_width)
    if edge.lite or edge.data_width != inner.data_width:
        id_width = min(id_width, SHORT_ID_BITS)
    if id_width < inner.id_width:
        stages.append(IdRemap(here, id_width=id_width))
        here = stages[-1].down.signature
    if edge.lite:
        narrow = min(here.data_width, edge.data_width)
        stages.append(Narrow(here, data_width=narrow, depth=TARGET_DEPTH, single=True))
        here = stages[-1].down.signature
    stages += _converter(here, edge.data_width, TARGET_DEPTH)
    if edge.lite:
        here = stages[-1].down.signature
        stages.append(LiteTarget(here, depth=TARGET_DEPTH))
    return stages


def link(m: Module, up, down, signature: wiring.Signature) -> None:
    """Connect two ports, of which one may have more ID bits: those are zero towards it, and dropped coming from it."""
    for name, member in signature.members.items():
        source, sink = (up, down) if member.flow == Out else (down, up)
        m.d.comb += getattr(sink, name).eq(getattr(source, name))


class Chain(wiring.Component):
    """Adapters in a row.

    Parameters
    ----------
    stages : list of Component
        With `up` and `down` each, in the order in which requests pass; may be empty.
    up, down : Signature
        Of both ends, which may have more ID bits than the stages.

    Members
    -------
    up : In
    down : Out
    ar_held, ar_user, aw_held, aw_user : Out
        A stage has taken a request of which not all parts have gone on, and its AxUSER.
    """

    def __init__(self, stages: list[wiring.Component], up: wiring.Signature, down: wiring.Signature) -> None:
        self.stages = stages
        user_width = (down if isinstance(down, axi.Signature) else up).user_width
        super().__init__(
            {
                "up": In(up),
                "down": Out(down),
                **{f"{channel}_held": Out(1) for channel in ("ar", "aw")},
                **{f"{channel}_user": Out(user_width) for channel in ("ar", "aw")},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before, signature = self.up, self.up.signature.flip()
        for stage in self.stages:
            name = type(stage).__name__.lower()
            m.submodules[name] = stage
            link(m, before, stage.up, signature)
            before, signature = stage.down, stage.down.signature
            if isinstance(stage, Narrow):
                for channel in ("ar", "aw"):
                    for what in ("held", "user"):
                        m.d.comb += getattr(self, f"{channel}_{what}").eq(getattr(stage, f"{channel}_{what}"))
        link(m, before, self.down, signature)
        return m


def initiator_chain(edge: Edge, inner: axi.Signature, outstanding: int) -> Chain:
    """Between an initiator port and the data plane."""
    return Chain(initiator_stages(edge, inner, outstanding), outer_signature(edge, inner), inner)


def target_chain(edge: Edge, inner: axi.Signature) -> Chain:
    """Between the data plane and a target port."""
    return Chain(target_stages(edge, inner), inner, outer_signature(edge, inner))
