"""What the read and the write plane of an egress share: the gate's table of order, and the way back of answers."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from ..bus.axi import Response
from ..plan.plan import bits_for
from .gate import Gate
from .order_table import OrderTable


def gate_members(gate: Gate) -> dict[str, wiring.Member]:
    """The members that an egress hands through to its gate."""
    inner = {"o", "room", "reserve", "decided", "decided_source", "entry"}
    return {name: member for name, member in gate.signature.members.items() if name not in inner}


def connect_gate(m: Module, egress: wiring.Component, gate: Gate, order: OrderTable) -> None:
    """Connect an egress's members to its gate's of the same name, and the gate to the table of order."""
    for name, member in gate_members(gate).items():
        inside, outside = getattr(gate, name), getattr(egress, name)
        m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
    m.d.comb += [
        gate.room.eq(order.room),
        order.reserve.eq(gate.reserve),
        order.push.eq(gate.decided),
        order.push_source.eq(gate.decided_source),
        order.push_entry.eq(gate.entry),
    ]


def connect_answers(
    m: Module,
    egress: wiring.Component,
    gate: Gate,
    order: OrderTable,
    *,
    channel: wiring.PureInterface,
    out: data.View,
    head: data.View,
    last: Value,
    denial_last: Value,
) -> tuple[Signal, Signal]:
    """The way out of a target's answers and of denials: they share it, and alternate when both want it.

    Parameters
    ----------
    channel : stream of {id, resp, ...}
        The target's R or B.
    out, head
        What goes to every source, and the part of it that this function drives.
    last, denial_last : Value
        This is the last beat of the target's answer, or of the denial.

    Returns
    -------
    denial_turn, taken : Signal
        Whose turn it is, and whether its beat goes.
    """
    # A target's ID becomes a position in the table; one that no source has is answered to nobody.
    known = Signal()
    with m.Switch(channel.payload.id):
        for n, source in enumerate(gate.sources):
            with m.Case(source):
                m.d.comb += [known.eq(1), order.answer_source.eq(n)]

    turn = Signal()
    denial_turn = Signal()
    answer_valid = Signal()
    taken = Signal()
    ready = Signal()
    where = Signal(bits_for(len(gate.sources)))
    entry = Mux(denial_turn, order.denial_entry.as_value(), order.answer_entry.as_value())
    chosen = data.View(order.denial_entry.shape(), entry)
    m.d.sync += turn.eq(~turn)
    m.d.comb += [
        answer_valid.eq(channel.valid & known & order.answer_valid),
        denial_turn.eq(order.denial_valid & (turn | ~answer_valid)),
        where.eq(Mux(denial_turn, order.denial_source, order.answer_source)),
        head.id.eq(chosen.id),
        head.response.eq(Mux(denial_turn, Response.SLVERR, channel.payload.resp)),
        head.last.eq(Mux(denial_turn, denial_last, last)),
        head.context.eq(chosen.context),
        head.owned.eq(1),
        head.denied.eq(denial_turn),
        head.birth.eq(chosen.birth),
        taken.eq((denial_turn | answer_valid) & ready),
        # An answer that nobody waits for is dropped; one whose turn has not come waits.
        channel.ready.eq((taken & ~denial_turn) | ~known),
        order.answer_done.eq(taken & ~denial_turn & last),
        order.denial_done.eq(taken & denial_turn & denial_last),
        egress.done.eq(order.answer_done),
        egress.done_epoch.eq(order.answer_entry.epoch),
    ]
    for n in range(len(gate.sources)):
        response = getattr(egress, f"response{n}")
        m.d.comb += [response.payload.eq(out), response.valid.eq((denial_turn | answer_valid) & (where == n))]
        with m.If(where == n):
            m.d.comb += ready.eq(response.ready)
    return denial_turn, taken
