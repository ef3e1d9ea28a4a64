"""P7: what AXI4 and AXI4-Lite ask of a port, as a checker that can be bound to either side of any block.

Of what comes into the block it assumes what the protocol asks, of what goes out it claims the same. Sections are those
of the AMBA AXI and ACE Protocol Specification, ARM IHI 0022H.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from hdl.bus.axi import Burst

from .harness import Harness

CHANNELS = ("aw", "w", "b", "ar", "r")
PAGE_BITS = 12
OBEYS = "who is attached obeys AXI"
IDENTITIES = 16
"""As many IDs of answers that come in are told apart."""


def allowed(address: Value, length: Value, size: Value, burst: Value, data_width: int) -> Value:
    """Whether AXI allows a burst on a port of so many bits (A3.4.1)."""
    below = ((Const(1, 8) << size) - 1)[:7]
    inside = address[:PAGE_BITS]
    ends = ((inside >> size) + length + 1) << size
    wraps = ((inside & below) == 0) & Cat(length == n for n in (1, 3, 7, 15)).any()
    legal = Mux(burst == Burst.INCR, ends <= 1 << PAGE_BITS, Mux(burst == Burst.WRAP, wraps, length < 16))
    return legal & (burst != 3) & (size <= exact_log2(data_width // 8))


def shift(m: Module, entries: list[Signal], count: Signal, enters: Value, entry: Value, leaves: Value) -> None:
    """Keep what has entered and not left, `count` of them, the oldest first."""
    for n, (here, after) in enumerate(zip(entries, [*entries[1:], Const(0)], strict=True)):
        stays = Mux(leaves, after, here)
        m.d.sync += here.eq(Mux(enters & (count - leaves == n), entry, stays))


@dataclass(frozen=True)
class Reads:
    """Of one ID.

    Members
    -------
    count : how many are outstanding; `lengths`, AxLEN of each, the oldest first
    number : beats of the oldest that have come
    leaves : 1 bit
        The oldest has its last beat.
    """

    identity: Value
    count: Signal
    lengths: list[Signal]
    number: Signal
    leaves: Value


@dataclass(frozen=True)
class Writes:
    """Those that are not taken whole.

    Members
    -------
    known : 1 bit
        The address that is offered is among them, and not taken.
    count : how many there are; `named`, AxLEN and ID of each, the oldest first
    addresses, complete : of how many the address, and all data, was taken
    number : beats of the one whose data comes next; `early`, AxLEN as the data of each had it
    comes, whole : 1 bit
        One more is known in this cycle; the oldest is whole, and is no longer among them in the next.
    """

    known: Signal
    count: Signal
    named: list[Signal]
    addresses: Signal
    complete: Signal
    number: Signal
    early: list[Signal]
    comes: Value
    whole: Value


class Port:
    """One port with what the checker keeps of it.

    Parameters
    ----------
    h : Harness
    bus : interface of axi.Signature or axi.LiteSignature
        A member of the block: what is `In` there is driven from outside.
    name : str

    Members
    -------
    reads : list of Reads
        By ID; these are for invariants, as are the next.
    writes : Writes
    due : list of (ID, Signal)
        Writes that were taken whole and are not answered.
    """

    def __init__(self, h: Harness, bus: Any, name: str) -> None:
        self.h, self.bus, self.name = h, bus, name
        self.members = bus.signature.members
        self.reads: list[Reads] = []
        self.due: list[tuple[Value, Signal]] = []

    def _rule(self, channel: str, says: str, holds: Any, when: Any) -> None:
        """Assumed of a channel that comes in, claimed of one that goes out."""
        if self._comes_in(channel):
            self.h.assume(~Value.cast(when).bool() | Value.cast(holds).bool(), environment=OBEYS)
        else:
            name = f"{channel.upper()} of {self.name}: {says}"
            self.h.claim(name, holds, when=when, rule=name)

    def _comes_in(self, channel: str) -> bool:
        return self.members[f"{channel}valid"].flow == In

    @property
    def id_width(self) -> int:
        """Bits of its IDs; 0 if it has none."""
        return len(self.field("arid")) if "arid" in self.members else 0

    def field(self, name: str, otherwise: int = 0) -> Any:
        """A signal of the port; AXI4-Lite has IDs, lengths and last beats in thought only (B1.1)."""
        return getattr(self.bus, name) if name in self.members else Const(otherwise, 8)

    def taken(self, channel: str) -> Value:
        """Something goes in this cycle."""
        return getattr(self.bus, f"{channel}valid") & getattr(self.bus, f"{channel}ready")

    def _signal(self, shape: Any, name: str, **settings: Any) -> Signal:
        return Signal(shape, name=f"{self.name}_{name}", **settings)

    def offers_stay(self) -> None:
        """An offer stays, as it is, until it is taken (A3.2.1); none is there right after a reset (A3.1.2)."""
        m, fresh = self.h.m, self._signal(1, "fresh", init=1)
        m.d.sync += fresh.eq(0)
        for channel in CHANNELS:
            valid, ready = f"{channel}valid", f"{channel}ready"
            fields = [name for name in self.members if name.startswith(channel) and name not in (valid, ready)]
            payload = Cat(getattr(self.bus, name) for name in fields)
            waits, offered = self._signal(1, f"{channel}_waits"), self._signal(len(payload), f"{channel}_offered")
            offer = getattr(self.bus, valid)
            m.d.sync += [waits.eq(offer & ~getattr(self.bus, ready)), offered.eq(payload)]
            self._rule(channel, "an offer stays until it is taken", offer & (payload == offered), waits)
            self._rule(channel, "none right after a reset", ~offer, fresh)

    def bursts_are_legal(self, beats: int = 256) -> None:
        """Type, size, length, alignment, and 4 KiB (A3.4.1); what comes in has no more than so many beats."""
        for channel in ("ar", "aw") if "arlen" in self.members else ():
            valid, address, length, size, burst = (
                getattr(self.bus, channel + name) for name in ("valid", "addr", "len", "size", "burst")
            )
            allows = allowed(address, length, size, burst, self.bus.signature.data_width)
            self._rule(channel, "a burst that AXI allows", allows, valid)
            if self._comes_in(channel) and beats < 256:
                self.h.assume(~valid | (length < beats), environment=f"a burst has no more than {beats} beats")

    def answers_belong(self, most: int) -> None:
        """Each answer has its request, beats end where they should, and data of a write goes with its address.

        RLAST and WLAST (A3.2.2), answers after requests and data (A3.3.1), in order within an ID (A5.3). What comes in
        is assumed to keep to it for every ID, what goes out is claimed to for any one. No more than `most` requests of
        an ID are outstanding, nor of all writes.
        """
        self.few = f"no more than {most} requests of an ID are outstanding, nor of all writes"
        for identity in self._identities("r", "arid"):
            self._reads(identity, most)
        self._writes(self._identities("b", "awid"), most)

    def _identities(self, channel: str, field: str) -> list[Value]:
        width = len(self.field(field)) if field in self.members else 0
        if not width:
            return [Const(0, 1)]
        if self._comes_in(channel):
            offered, answer = getattr(self.bus, f"{channel}valid"), getattr(self.bus, f"{channel}id")
            if 1 << width > IDENTITIES:
                few = f"answers have one of the first {IDENTITIES} IDs"
                self.h.assume(~offered | (answer < IDENTITIES), environment=few)
            return [Const(n, width) for n in range(min(1 << width, IDENTITIES))]
        return [self.h.constant(width, f"{self.name}_{field}")]

    def _reads(self, identity: Value, most: int) -> None:
        m, field = self.h.m, self.field
        enters = self.taken("ar") & (field("arid") == identity)
        here = field("rid") == identity
        count, number = self._signal(range(most + 1), "reads"), self._signal(8, "read_beats")
        last, beat = field("rlast", 1)[0], self.taken("r") & here
        lengths = self._queue(enters, field("arlen"), beat & last, count, most)
        with m.If(beat):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        self.reads.append(Reads(identity, count, lengths, number, beat & last))
        offer = self.bus.rvalid & here
        self._rule("r", "it was asked for", count != 0, offer)
        if "arlen" in self.members:
            self._rule("r", "its last beat is told, and no other", last == (number == lengths[0]), offer & (count != 0))

    def _queue(self, enters: Value, entry: Any, leaves: Value, count: Signal, most: int) -> list[Signal]:
        """What has entered and not left, the oldest first."""
        m, entry = self.h.m, Value.cast(entry)
        self.h.assume(~enters | (count != most), environment=self.few)
        entries = [self._signal(len(entry), f"{count.name}_{n}") for n in range(most)]
        m.d.sync += count.eq(count + enters - leaves)
        shift(m, entries, count, enters, entry, leaves)
        return entries

    def _writes(self, identities: list[Value], most: int) -> None:
        """Addresses and data come apart, in the same order; data may be first (A3.3)."""
        m, field, bus = self.h.m, self.field, self.bus
        known, number = self._signal(1, "address_known"), self._signal(8, "write_beats")
        count, addresses, complete = (self._signal(range(most + 1), name) for name in ("writes", "addresses", "data"))
        comes = bus.awvalid & ~known
        whole = (addresses != 0) & (complete != 0)  # the oldest has all that it needs
        named = Cat(field("awlen"), field("awid"))
        writes = self._queue(comes, named, whole, count, most)
        last = field("wlast", 1)[0]
        data = self.taken("w")
        self.h.assume(~(data & last) | (complete != most), environment=self.few)
        m.d.sync += [
            known.eq(bus.awvalid & ~bus.awready),
            addresses.eq(addresses + self.taken("aw") - whole),
            complete.eq(complete + (data & last) - whole),
        ]
        with m.If(data):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        # AxLEN of what has all its data and no address yet.
        early = [self._signal(8, f"early_{n}") for n in range(most)]
        for n, (here, after) in enumerate(zip(early, [*early[1:], Const(0)], strict=True)):
            m.d.sync += here.eq(Mux(data & last & (complete - whole == n), number, Mux(whole, after, here)))
        self.writes = Writes(known, count, writes, addresses, complete, number, early, comes, whole)
        if "awlen" in self.members:
            current = Mux(complete < count, Array(writes)[complete], named)[:8]
            there = (complete < count) | (comes & (complete == count))
            self._rule("w", "its last beat is told, and no other", last == (number == current), bus.wvalid & there)
            fits = Mux(complete == count, number <= bus.awlen, Array(early)[count] == bus.awlen)
            self._rule("aw", "it is as long as its data", fits, comes & (complete >= count))
        for identity in identities:
            due = self._signal(range(most + 1), "answers_due")
            self.due.append((identity, due))
            gone = whole & (writes[0][8:] == identity)
            answer = field("bid") == identity
            self.h.assume(~gone | (due != most), environment=self.few)
            m.d.sync += due.eq(due + gone - (self.taken("b") & answer))
            asked = (due != 0) | gone
            self._rule("b", "it was asked for, and all data is there", asked, bus.bvalid & answer)
