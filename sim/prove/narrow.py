"""P7 of what splits bursts: each burst above is the row of its parts below, and its beats are those that these end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value

from hdl.bus.axi import Burst
from hdl.bus.queue import following
from hdl.edge import lanes
from hdl.edge.split import PAGE_BITS

from .axi import Port, allowed, shift
from .axi_pass import between, buffered
from .harness import Harness
from .ring import filled
from .white_box import WhiteBox


def narrows(h: Harness, box: WhiteBox, up: Port, down: Port) -> tuple[Row, Row]:
    """Invariants of :class:`hdl.edge.narrow.Narrow`; returns the parts of the reads of an ID, and of the writes."""
    data_width = box.up.signature.data_width
    rests = [Rest(h, box.parts[f"split_{channel}"], data_width, channel) for channel in ("ar", "aw")]
    reads = _reads(h, box.parts["reads"], up, down, rests[0])
    writes, finals = _writes(h, box, up, down, rests[1])
    _answers(h, box.parts["responses"], up, down, finals)
    return reads, writes


class Rest:
    """What a :class:`hdl.edge.split.Split` has stored, and what is always so of it.

    Members
    -------
    held : 1 bit
        Parts of a request are still to go; `request` is what it was.
    at : 12 bits
        Where the next of them begins.
    index : 9 bits
        Beats of the wide side that the parts ended which have gone.
    after : 9 bits
        The same when the part that is offered has gone; 0 if that is the last.
    """

    def __init__(self, h: Harness, box: WhiteBox, data_width: int, name: str) -> None:
        self.component = split = box.component
        stored = split.layout(box.signal("stored"))
        self.held, self.request = split.held, stored
        self.index = Signal(9, name=f"{name}_index")
        ended, _ = self.ends(split.beats, self.index, split.o.payload.len + 1)
        self.after = Mux(split.final, 0, ended)[:9]
        with h.m.If(split.o.valid & split.o.ready):
            h.m.d.sync += self.index.eq(self.after)
        h.invariant("one that has not begun", self.index == 0, when=~self.held)

        at, left, runs = (box.signal(each) for each in ("at", "left", "runs"))
        self.at = at
        step = lanes.smaller(stored.size, split.narrow_max)
        per_beat = (stored.size - step)[:3]
        wide = stored.addr[:PAGE_BITS] >> stored.size
        inside = wide & stored.len
        container = wide - inside
        end = (at >> step) + left
        rest, whole = self.ends(_Lanes(at, stored.size), Const(0), left)
        kinds = {
            Burst.INCR: (runs == 0) & (end == (wide + stored.len + 1) << per_beat),
            Burst.WRAP: Mux(
                runs == 0,
                end == (container + Mux(inside == 0, stored.len + 1, inside)) << per_beat,
                (runs == 1) & (inside != 0) & (end == (container + stored.len + 1) << per_beat),
            ),
            Burst.FIXED: (runs <= stored.len) & (end == (wide + 1) << per_beat) & (rest == 1),
        }
        more = Mux(stored.burst == Burst.FIXED, runs, Mux(runs == 0, 0, inside))
        for kind, holds in kinds.items():
            h.invariant(f"where the rest of a burst is, {kind.name}", ~self.held | (stored.burst != kind) | holds)
        h.invariant(
            "the rest of a burst has the beats that are left",
            ~self.held | (whole & (left != 0) & (self.index + rest + more == stored.len + 1)),
        )
        cut = (stored.size > split.narrow_max) | (Const(split.single) & (stored.len != 0))
        legal = allowed(stored.addr, stored.len, stored.size, stored.burst, data_width)
        h.invariant("what is split is a burst that has to be", ~self.held | (cut & legal))

    def ends(self, beats: Any, index: Value, count: Value) -> tuple[Value, Value]:
        """Beats of the wide side ended after so many of a part, and whether the last ended one.

        Parameters
        ----------
        beats
            Where the first of them lies: its `offset` and `size`.
        index, count : Value
            Beats ended before these; how many these are.
        """
        step = lanes.smaller(beats.size, self.component.narrow_max)
        per_beat = (beats.size - step)[:3]
        ones = lanes.below(per_beat, 7)
        places = ((beats.offset >> step) & ones) + count
        return index + (places >> per_beat), (places & ones) == 0

    def goes_over_all(self, beats: Any) -> Value:
        """Parts of what was cut go on over all lanes."""
        fits = beats.size <= self.component.narrow_max
        return (beats.size <= self.component.wide_max) & (fits | beats.mask.all())


@dataclass(frozen=True)
class _Lanes:
    """Where a beat lies."""

    offset: Value
    size: Value


@dataclass(frozen=True)
class Part:
    """A part whose beats are not all taken: whether it is there, its lanes, beats to come, and if it is the last."""

    there: Value
    info: Any
    offset: Value
    left: Value
    final: Value


@dataclass(frozen=True)
class Row:
    """Parts, the oldest first, and the bursts above that they are of.

    Members
    -------
    first_done, first_index : Value
        Bursts done, and beats of the next one ended, when the answers that stand in front of the port are taken.
    belongs : list of Value
        Which burst above each part is of, counted from the oldest.
    done, index : Value
        Bursts done, and beats of the next one ended, when all parts are taken.
    fits : 1 bit
        Each part is where it should be.
    """

    parts: Sequence[Part]
    rest: Rest
    first_done: Value
    first_index: Value
    belongs: list[Value]
    done: Value
    index: Value
    fits: Value


def _row(parts: Sequence[Part], lengths: Sequence[Value], count: Value, done: Value, index: Value, rest: Rest) -> Row:
    """Go through parts from beat `index` of burst `done`."""
    fits: Value = Const(1)
    first, belongs = (done, index), []
    for part in parts:
        belongs.append(done)
        after, whole = rest.ends(_Lanes(part.offset, part.info.size), index, part.left)
        length = Array(lengths)[done][:8]
        right = Mux(part.final, whole & (after == length + 1), after <= length)
        fits &= ~part.there | ((done < count) & right & rest.goes_over_all(part.info))
        index = Mux(part.there, Mux(part.final, 0, after), index)[:9]
        done = (done + (part.there & part.final))[:2]
    return Row(parts, rest, *first, belongs, done, index, fits)


def _reads(h: Harness, box: WhiteBox, up: Port, down: Port, rest: Rest) -> Row:
    walk = box.parts["walk"]
    queues, begun = walk.parts["bursts"], walk.signal("begun")
    depth = queues.component.depth
    for below in down.reads:
        n = Const.cast(below.identity).value
        written, taken = (queues.signal(f"{what}{n}") for what in ("written", "taken"))
        h.invariant("parts whose answers are awaited", (written - taken)[: len(written)] == below.count)
        h.invariant(
            "no beats without a read", Mux(below.count == 0, below.number == 0, below.number <= below.lengths[0])
        )
        h.invariant("whether it is in the middle of one", begun[n] == (below.number != 0))
    [above] = up.reads
    identity = above.identity
    known = zip(*((below.count, below.number, *below.lengths) for below in down.reads), strict=True)
    count, number, *lengths = (Array(each)[identity] for each in known)
    taken = Array(queues.signal(f"taken{n}") for n in range(len(down.reads)))[identity]
    done, index, fits = between(above, buffered(h, box.parts["r"]))
    parts = []
    for k, length in enumerate(lengths[:depth]):
        entry = queues.word(h.m, "entries", Cat((taken + k)[: len(taken) - 1], identity))
        offset, left = entry.offset, length + 1
        if k == 0:
            offset = Mux(number == 0, offset, walk.word(h.m, "offsets", identity))
            left = (left - number)[:9]
        parts.append(Part(count > k, entry, offset, left, entry.final))
    row = _row(parts, above.lengths, above.count, done, index, rest)
    mine = rest.held & (rest.request.id == identity)
    h.invariant("parts of reads", fits & row.fits)
    h.invariant("beats of reads", row.index == Mux(mine, rest.index, 0))
    h.invariant("reads are done with their last part", above.count == row.done + mine)
    h.invariant("a read that is split", ~mine | (Array(above.lengths)[row.done] == rest.request.len))
    return row


def _writes(h: Harness, box: WhiteBox, up: Port, down: Port, rest: Rest) -> tuple[Row, list[Signal]]:
    """Returns as well which of the writes below are the last part of one above."""
    a, b = up.writes, down.writes
    split, walk = box.parts["split_aw"], box.parts["data"]
    queue = walk.parts["bursts"]
    depth = queue.component.depth
    finals = [Signal(name=f"final{n}") for n in range(len(b.named))]
    shift(h.m, finals, b.count, b.comes, split.final, b.whole)
    newest = Mux(b.count == 0, 0, b.count - 1)[:2]

    # Of what is complete.
    complete = b.complete != 0
    ended = complete & finals[0]
    early = ended & (a.complete == 0)  # the write above is whole before the address of its last part is taken
    h.invariant("one has all its data at most", (b.complete <= 1) & (a.complete <= ended))
    alone = b.known & (b.count == 1)
    h.invariant("data is not before the address of the next", ~complete | (b.addresses != 0) | alone)
    h.invariant("what is early is a later part", ~early | ((b.count == 1) & (rest.held == b.known)))

    # Of what is known.
    h.invariant("addresses below", b.addresses + b.known == b.count)
    h.invariant("addresses above", a.addresses + a.known == a.count)
    h.invariant("who is remembered", box.parts["aw"].signal("known") == b.known)
    offered = Cat(down.field("awlen"), down.field("awid"))
    h.invariant("the offer is the newest", ~b.known | ((Array(b.named)[newest] == offered) & (b.count != 0)))
    h.invariant("whether it is a last part", ~b.known | (Array(finals)[newest] == split.final))
    h.invariant("who offers", ~b.known | rest.held | a.known)
    last = Array(a.named)[Mux(a.count == 0, 0, a.count - 1)]
    of_offer = Cat(up.field("awlen"), up.field("awid"))
    h.invariant("the newest above", ~a.known | ((last == of_offer) & (a.count != 0)))
    before = Mux(a.count > 1, Array(a.named)[(a.count - 2)[:2]], 0)
    of_rest = Cat(rest.request.len, rest.request.id)
    h.invariant("the one that is split", ~rest.held | (Mux(a.known, before, last) == of_rest) | early)

    # Each below is part of one above.
    place: Value = Const(0, 2)
    for n, (named, final) in enumerate(zip(b.named, finals, strict=True)):
        there = b.count > n
        mine = (place - early)[:2]
        same = (mine < a.count) & (Array(a.named)[mine][8:] == named[8:])
        h.invariant("part of a write", ~there | ((place == 0) & early) | same)
        place = (place + (there & final))[:2]
    unfinished = Mux(b.known, ~Array(finals)[newest], rest.held)
    waits = a.known & (rest.held | ~b.known)
    h.invariant("all parts of all writes", a.count + early == place + unfinished + waits)

    # Beats.
    h.invariant("writes whose data is to come", filled(queue) + b.complete == b.count)
    first = Array(b.named)[b.complete[:2]][:8]
    there = b.complete < b.count
    h.invariant("the beats of the first of these", walk.signal("number") == b.number)
    h.invariant("no more than it has", Mux(there, b.number <= first, b.number == 0))
    parts, at = [], queue.signal("read_at")
    for k in range(min(depth, len(b.named))):
        entry = queue.word(h.m, "entries", at)
        at = following(at)
        there = filled(queue) > k
        which = (b.complete + k)[:2]
        h.invariant("how long each is", ~there | (entry.length == Array(b.named)[which][:8]))
        offset, left = entry.offset, entry.length + 1
        if k == 0:
            offset, left = Mux(b.number == 0, offset, walk.signal("at")), (left - b.number)[:9]
        parts.append(Part(there, entry, offset, left, Array(finals)[which]))
    row = _row(parts, a.named, a.count, a.complete, a.number, rest)
    h.invariant("parts of writes", row.fits)
    h.invariant("beats of writes", row.index == Mux(b.known, rest.after, rest.index))
    return row, finals


def _answers(h: Harness, box: WhiteBox, up: Port, down: Port, finals: list[Signal]) -> None:
    queues, depth = box.parts["parts"], box.component.depth
    b = down.writes
    early = (b.complete != 0) & finals[0] & (up.writes.complete == 0)
    dues = []
    for identity, due in down.due:
        n = Const.cast(identity).value
        written, taken = (queues.signal(f"{what}{n}") for what in ("written", "taken"))
        below = [(b.count > k) & (named[8:] == n) for k, named in enumerate(b.named)]
        h.invariant("parts that are not answered", (written - taken)[: len(written)] == due + sum(below))
        dues.append(due)
    for identity, above in up.due:
        due = Array(dues)[identity]
        taken = Array(queues.signal(f"taken{n}") for n in range(len(dues)))[identity]
        entries = [
            queues.word(h.m, "entries", Cat((taken + k)[: len(taken) - 1], identity)).final
            for k in range(min(depth, 2 * len(b.named)))
        ]
        ended = sum((due > k) & entry for k, entry in enumerate(entries))
        stands = sum(there & (beat.id == identity) for there, beat in buffered(h, box.parts["b"]))
        h.invariant("answers that are due", above == ended + stands + (early & (b.named[0][8:] == identity)))
        place = due
        for k, (named, final) in enumerate(zip(b.named, finals, strict=True)):
            mine = (b.count > k) & (named[8:] == identity)
            h.invariant("which of them is a last part", ~mine | (Array(entries)[place] == final))
            place = (place + mine)[:3]
