"""P7 of a block that passes each burst as one: what its two ports know of requests and answers is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Const, Mux, Value

from hdl.edge.wires import PAYLOADS

from .axi import Port, Reads
from .harness import Harness
from .white_box import WhiteBox


def all_reads_pass(h: Harness, up: Port, down: Port, beats: Sequence[tuple[Value, Any]] = ()) -> None:
    """Invariants; IDs that one of the two does not have are 0. For `beats` see :func:`reads_pass`."""
    for below in down.reads:
        for above in up.reads:
            reads_pass(h, above, below, beats, when=above.identity == below.identity)
        h.invariant("no reads of other IDs", _is_any(below.identity, up) | (below.count == 0))


def reads_pass(
    h: Harness, above: Reads, below: Reads, beats: Sequence[tuple[Value, Any]] = (), *, when: Value
) -> None:  # fmt: skip
    """Of one ID; so many `beats` of answers may stand between the two: whether each is there, and what it is."""
    done, number, fits = between(above, beats)
    lengths = [Array(above.lengths)[done + n] for n in range(len(above.lengths))]
    same = (above.count == below.count + done) & (number == below.number)
    kept = _alike(lengths, below.lengths, below.count)
    h.invariant("reads of an ID", ~when | (fits & same & kept))


def between(above: Reads, beats: Sequence[tuple[Value, Any]]) -> tuple[Value, Value, Value]:
    """Beats of answers that stand in front of a port, as of :func:`reads_pass`.

    Returns
    -------
    tuple of Value
        Reads that are done when all these are taken, beats of the next one that have then come, and whether what is
        last among these beats is so rightly.
    """
    done, number, fits = Const(0, 2), above.number, Const(1)
    for there, beat in beats:
        mine = there & (beat.id == above.identity)
        last = (above.count > done) & (beat.last == (number == Array(above.lengths)[done]))
        fits &= ~mine | last
        number = Mux(mine, Mux(beat.last, 0, number + 1), number)[:8]
        done = (done + (mine & beat.last))[:2]
    return done, number, fits


def buffered(h: Harness, buffer: WhiteBox) -> list[tuple[Value, Any]]:
    """What stands in a :class:`hdl.bus.buffer.Buffer`, the oldest first: whether it is there, and what it is."""
    skid, layout = buffer.parts["skid"], buffer.component.shape
    found = [
        (part.signal(there), layout(part.signal(what)))
        for part, there, what in ((buffer, "valid", "payload"), (skid, "full", "stored"))
    ]
    h.invariant("one comes after the other", ~found[1][0] | found[0][0])
    return found


def writes_pass(h: Harness, up: Port, down: Port, alike: Callable[[Value, Value], Value] | None = None) -> None:
    """The same; an address may be held back in between.

    Whether AxLEN and ID of one that both know are `alike`; the same, if that is not said.
    """
    a, b = up.writes, down.writes
    held = a.known & ~b.known
    h.invariant("writes", (a.count == b.count + held) & _alike(a.named, b.named, b.count, alike))
    h.invariant("addresses that were taken", (a.addresses == b.addresses) & (b.addresses + b.known == b.count))
    h.invariant("whose data is here", (a.complete == b.complete) & (a.number == b.number))
    h.invariant("how long it is", _alike(a.early, b.early, b.complete))
    offered = Cat(up.field("awlen"), up.field("awid"))
    newest = Array(a.named)[Mux(a.count == 0, 0, a.count - 1)]
    h.invariant("the one that is offered is the newest", ~a.known | (_cut(newest, offered) & (a.count != 0)))
    h.invariant("what is known below is known above", ~b.known | a.known)
    fits = Mux(a.complete == b.count, a.number <= offered[:8], Array(a.early)[b.count] == offered[:8])
    h.invariant("what is held back is as long as its data", ~held | (a.complete < b.count) | fits)


def answers_pass(h: Harness, up: Port, down: Port) -> None:
    """The same of answers to writes, which nothing holds back."""
    for identity, above in up.due:
        for other, below in down.due:
            h.invariant("answers that are due", (identity != other) | (above == below))
    for other, below in down.due:
        h.invariant("no answers of other IDs", _is_any(other, up) | (below == 0))


def passes(h: Harness, up: Port, down: Port, channels: Iterable[str], *but: str) -> None:
    """Claims: each field of these channels that both sides have is the same on both, but for some."""
    for channel in channels:
        names = [f"{channel}{field}" for field in PAYLOADS[channel] if field not in but]
        both = [name for name in names if name in up.members and name in down.members]
        says = f"{channel.upper()} comes as it is"
        valid = getattr((up if channel in "rb" else down).bus, f"{channel}valid")
        h.claim(says, Cat(up.field(name) == down.field(name) for name in both).all(), when=valid, rule=says)


def _is_any(identity: Value, port: Port) -> Value:
    """Whether an ID is one that a port can have."""
    return identity < (1 << port.id_width)


def _cut(one: Value, other: Value) -> Value:
    """Whether two words are the same as far as both go."""
    width = min(len(one), len(other))
    return one[:width] == other[:width]


def _alike(
    above: Sequence[Value], below: Sequence[Value], count: Value, same: Callable[[Value, Value], Value] | None = None
) -> Value:
    """Whether as many of the first entries are the same."""
    pairs = enumerate(zip(above, below, strict=True))
    return Cat((count <= n) | (same or _cut)(one, other) for n, (one, other) in pairs).all()
