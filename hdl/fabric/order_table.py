"""What a target owes to whom, in which order."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan, bits_for
from .gate import entry_layout


class OrderTable(wiring.Component):
    """A queue of outstanding requests for each source of a gate, in one memory.

    A target sees one ID per source, so it answers each source in order (IHI 0022H, A5.3); the head of the source's
    queue says which request it answers. Denied requests stand in the same queues, so that their answers keep the
    order too: a scan looks for queues with a denied request at their head. Latency: an entry can be looked up in the
    cycle after it came in; the scan finds a denied head within `sources` cycles.

    Members
    -------
    reserve : In(sources)
        A request of the source is on its way into the table.
    room : Out(sources)
        The source has fewer than `outstanding` requests in or on their way into the table.
    push, push_source, push_entry : In
    answer_source : In
        Source that the target answers.
    answer_valid, answer_entry : Out
        The source's head, if it is one that the target has to answer.
    answer_done : In(1)
        That was the last beat.
    denial_valid, denial_source, denial_entry : Out
        A denied request that is next in its source's order.
    denial_done : In(1)
        It has been answered.
    """

    def __init__(self, plan: Plan, sources: int) -> None:
        self.plan, self.sources = plan, sources
        bits = bits_for(sources)
        super().__init__(
            {
                "reserve": In(sources),
                "room": Out(sources),
                "push": In(1),
                "push_source": In(bits),
                "push_entry": In(entry_layout(plan)),
                "answer_source": In(bits),
                "answer_valid": Out(1),
                "answer_entry": Out(entry_layout(plan)),
                "answer_done": In(1),
                "denial_valid": Out(1),
                "denial_source": Out(bits),
                "denial_entry": Out(entry_layout(plan)),
                "denial_done": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth, sources = self.plan.outstanding, self.sources
        pointer_bits = bits_for(depth)
        m.submodules.entries = entries = Memory(
            shape=entry_layout(self.plan), depth=(1 << bits_for(sources)) * depth, init=[]
        )
        write = entries.write_port()
        answer, denial = entries.read_port(domain="comb"), entries.read_port(domain="comb")

        tails = Array(Signal(pointer_bits, name=f"tail{n}") for n in range(sources))
        heads = Array(Signal(pointer_bits, name=f"head{n}") for n in range(sources))
        stored = Array(Signal(pointer_bits + 1, name=f"stored{n}") for n in range(sources))
        scan = Signal(bits_for(sources))
        for n in range(sources):
            reserved = Signal(pointer_bits + 1, name=f"reserved{n}")
            pushed = self.push & (self.push_source == n)
            popped = Signal(name=f"popped{n}")
            m.d.comb += [
                popped.eq(
                    (self.answer_done & self.answer_valid & (self.answer_source == n))
                    | (self.denial_done & self.denial_valid & (scan == n))
                ),
                self.room[n].eq(reserved < depth),
            ]
            m.d.sync += [
                reserved.eq(reserved + self.reserve[n] - popped),
                stored[n].eq(stored[n] + pushed - popped),
                tails[n].eq(tails[n] + pushed),
                heads[n].eq(heads[n] + popped),
            ]
        m.d.comb += [
            write.en.eq(self.push),
            write.addr.eq(Cat(tails[self.push_source], self.push_source)),
            write.data.eq(self.push_entry),
            answer.addr.eq(Cat(heads[self.answer_source], self.answer_source)),
            self.answer_entry.eq(answer.data),
            self.answer_valid.eq(
                (self.answer_source < sources) & (stored[self.answer_source] != 0) & ~answer.data.denied
            ),
            denial.addr.eq(Cat(heads[scan], scan)),
            self.denial_entry.eq(denial.data),
            self.denial_source.eq(scan),
            self.denial_valid.eq((stored[scan] != 0) & denial.data.denied),
        ]
        with m.If(~self.denial_valid | self.denial_done):
            with m.If(scan == sources - 1):
                m.d.sync += scan.eq(0)
            with m.Else():
                m.d.sync += scan.eq(scan + 1)
        return m
