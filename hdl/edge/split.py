"""Cuts a burst into bursts that a narrower port can have."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi import Burst
from . import lanes

PAGE_BITS = 12
"""A burst does not cross 4 KiB (IHI 0022H, A3.4.1), so what counts in it are these address bits."""
MOST_BEATS = 256
EXCLUSIVE_BEATS = 16
"""An exclusive access has no more (IHI 0022H, A7.2.4)."""


class Split(wiring.Component):
    """Turns requests with beats wider than the narrow side into INCR bursts of its full width, one after another.

    A burst of beats that fit passes as it is, unless `single` is set. Of the others, INCR becomes as few bursts as its
    beats need; WRAP becomes the run up to the end of its container and the run from its start; FIXED becomes one
    burst per beat. Bursts that AXI forbids pass as they are, so that whoever checks bursts sees them. An exclusive
    access stays one only if it stays one burst of at most 16 beats.

    Latency: combinational. Throughput: a part per cycle. A request is taken with its first part, since answers to that
    may come at once (IHI 0022H, A3.3.1), and stored until its last.

    Parameters
    ----------
    layout : StructLayout
        Of an address beat.
    wide_max, narrow_max : int
        AxSIZE of the full width of either side.
    single : bool
        Parts are single beats.

    Members
    -------
    i, o : stream of `layout`
    beats : Out
        Lanes of the part's beats on the wide side, as :mod:`hdl.edge.lanes` has them; `size` is that of the wide beats.
    final : Out(1)
        The part is its request's last.
    held, held_user : Out
        The rest of a request is stored, and its AxUSER.
    """

    def __init__(self, layout: data.StructLayout, *, wide_max: int, narrow_max: int, single: bool = False) -> None:
        if narrow_max > wide_max:
            raise ValueError(f"Narrow side must not be wider than {1 << wide_max} bytes, not {1 << narrow_max!r}")
        self.layout, self.wide_max, self.narrow_max, self.single = layout, wide_max, narrow_max, single
        self.beats_layout = lanes.beat_layout(max(1, wide_max))
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(layout)),
                "beats": Out(self.beats_layout),
                "final": Out(1),
                "held": Out(1),
                "held_user": Out(layout["user"].shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i = Signal(self.layout)
        stored = Signal(self.layout)
        m.d.comb += [i.eq(Mux(self.held, stored, self.i.payload)), self.held_user.eq(stored.user)]
        with m.If(~self.held):
            m.d.sync += stored.eq(self.i.payload)
        inside = i.addr[:PAGE_BITS]
        step = Signal(3)
        per_beat = Signal(3)
        m.d.comb += [step.eq(lanes.smaller(i.size, self.narrow_max)), per_beat.eq(i.size - step)]

        # Lengths are in units of the step. What is too long for its field belongs to an illegal burst.
        first = Signal(PAGE_BITS)
        end = Signal(PAGE_BITS + 2)
        container = Signal(PAGE_BITS)
        in_container = Signal(PAGE_BITS)
        in_beat = Signal(max(1, self.wide_max - self.narrow_max))
        one_beat = Signal(PAGE_BITS)
        m.d.comb += [
            first.eq(inside >> step),
            end.eq(((inside >> i.size) + i.len + 1) << per_beat),
            container.eq(((i.len + 1) << per_beat)[:PAGE_BITS]),
            in_container.eq(first & (container - 1)),
            in_beat.eq(first & ((Const(1, len(in_beat) + 1) << per_beat) - 1)),
            one_beat.eq((Const(1, PAGE_BITS) << per_beat) - in_beat),
        ]
        misaligned = (inside & lanes.below(i.size, PAGE_BITS)).any()
        wrap_length = (i.len == 1) | (i.len == 3) | (i.len == 7) | (i.len == 15)
        crosses = ((inside >> i.size) + i.len + 1) << i.size > 1 << PAGE_BITS

        length = Signal(PAGE_BITS)  # of the first run
        more = Signal(4)  # runs after it
        wrong = Signal()
        with m.Switch(i.burst):
            with m.Case(Burst.INCR):
                m.d.comb += [length.eq(end - first), wrong.eq(crosses)]
            with m.Case(Burst.WRAP):
                m.d.comb += [
                    length.eq(container - in_container),
                    more.eq(in_container != 0),
                    wrong.eq(misaligned | ~wrap_length),
                ]
            with m.Case(Burst.FIXED):
                m.d.comb += [length.eq(one_beat), more.eq(i.len), wrong.eq(i.len > 15)]
            with m.Default():
                m.d.comb += wrong.eq(1)
        fits = i.size <= self.narrow_max
        whole = Signal()
        m.d.comb += whole.eq(wrong | (i.size > self.wide_max) | (fits & ((i.len == 0) if self.single else 1)))
        next_length = Mux(i.burst == Burst.WRAP, in_container, one_beat)
        self._parts(m, i, step=step, whole=whole, length=length, more=more, next_length=next_length)
        return m

    def _parts(
        self, m: Module, i, *, step: Value, whole: Value, length: Value, more: Value, next_length: Value
    ) -> None:
        """Emit part after part of `i`; `next_length` is the length of the runs after the first."""
        o = self.o.payload
        most = 1 if self.single else MOST_BEATS
        started = self.held
        at = Signal(PAGE_BITS)
        left = Signal.like(length)
        runs = Signal.like(more)
        here = Signal.like(at)
        left_now = Signal.like(left)
        runs_now = Signal.like(runs)
        ends_run = Signal()
        lock = Signal()
        m.d.comb += [
            here.eq(Mux(started, at, i.addr[:PAGE_BITS])),
            left_now.eq(Mux(started, left, length)),
            runs_now.eq(Mux(started, runs, more)),
            ends_run.eq(left_now <= most),
            self.final.eq(Mux(started, ends_run & (runs == 0), whole | (ends_run & (more == 0)))),
            lock.eq(i.lock & ~started & self.final & (whole | (left_now <= EXCLUSIVE_BEATS))),
            self.o.valid.eq(started | self.i.valid),
            self.i.ready.eq(self.o.ready & ~started),
            o.eq(i),
            o.lock.eq(lock),
            self.beats.offset.eq(here),
            self.beats.size.eq(i.size),
            self.beats.mask.eq(-1),
        ]
        with m.If(whole & ~started):
            m.d.comb += [
                self.beats.size.eq(step),
                self.beats.mask.eq(lanes.address_mask(i.burst, i.len, i.size, len(self.beats.mask))),
            ]
        with m.Else():
            m.d.comb += [
                o.addr.eq(Cat(here, i.addr[PAGE_BITS:])),
                o.len.eq(Mux(ends_run, left_now - 1, most - 1)),
                o.size.eq(step),
                o.burst.eq(Burst.INCR),
            ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += started.eq(~self.final)
            with m.If(ends_run):
                container_start = (i.addr & ~((i.len << i.size) | lanes.below(i.size, PAGE_BITS)))[:PAGE_BITS]
                m.d.sync += [
                    at.eq(Mux(i.burst == Burst.WRAP, container_start, i.addr[:PAGE_BITS])),
                    left.eq(next_length),
                    runs.eq(runs_now - 1),
                ]
            with m.Else():
                m.d.sync += [
                    at.eq((here & ~lanes.below(step, PAGE_BITS)) + (most << step)),
                    left.eq(left_now - most),
                    runs.eq(runs_now),
                ]
