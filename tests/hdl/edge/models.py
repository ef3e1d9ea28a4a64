"""A random AXI manager and a memory with AXI faults, in plain Python, one step per cycle, for adapters between them.

Neither knows an adapter. The manager knows what each beat must bring; the memory answers requests of different IDs out
of order and interleaves their data. Both check the protocol of what they get.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from random import Random

from sim.bench.burst import Burst
from sim.judge.bursts import beat_addresses, legal

OKAY, EXOKAY, SLVERR, DECERR = range(4)
FAULT_BYTES = 64
"""A piece of memory that answers in one way; no bus is wider."""
FIELDS = {
    "ar": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos", "user"),
    "aw": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos", "user"),
    "w": ("data", "strb", "last"),
    "b": ("id", "resp"),
    "r": ("id", "data", "resp", "last"),
}


def fault(address: int) -> int:
    """How the memory answers at an address."""
    return {3: SLVERR, 7: DECERR}.get(address // FAULT_BYTES % 11, OKAY)


def worst(responses) -> int:
    """The worst of several answers."""
    return max(responses, default=OKAY)


@dataclass
class Asked:
    """A request under way; `words` are those of a write's beats, with their strobes."""

    burst: Burst
    words: list[tuple[int, int]] = field(default_factory=list)
    got: int = 0
    excused: bool = False

    @property
    def beats(self) -> list[tuple[int, int]]:
        """First byte and end of each beat."""
        burst = self.burst
        return beat_addresses(burst.address, burst.beats - 1, burst.size, burst.burst)


class Channel:
    """One channel of a port: what is offered stays until it is taken (IHI 0022H, A3.2.1)."""

    def __init__(self, ctx, bus, name: str) -> None:
        self.ctx, self.name = ctx, name
        # AXI4-Lite has some of the fields; the others are those of a single beat of the whole width with ID 0.
        self.fields = tuple(field for field in FIELDS[name] if hasattr(bus, name + field))
        self.absent = dict.fromkeys(FIELDS[name], 0) | {"last": 1, "burst": 1, "size": len(bus.wstrb).bit_length() - 1}
        self.valid, self.ready = getattr(bus, f"{name}valid"), getattr(bus, f"{name}ready")
        self.signals = [getattr(bus, name + field) for field in self.fields]
        self.offered: tuple[int, ...] | None = None
        self.driven: dict[str, int] | None = None
        self.count = 0

    def offer(self, values: dict[str, int] | None) -> None:
        """Drive the channel for this cycle: with these values, or with nothing valid."""
        if values is not None:
            for signal, name in zip(self.signals, self.fields, strict=True):
                self.ctx.set(signal, values[name])
        self.ctx.set(self.valid, values is not None)
        self.driven = values

    def accept(self, ready: bool) -> None:
        """Drive ready for this cycle."""
        self.ctx.set(self.ready, ready)

    def taken(self) -> bool:
        """Whether what is offered is taken in this cycle."""
        taken = self.driven is not None and bool(self.ctx.get(self.ready))
        self.count += taken
        return taken

    def gone(self) -> None:
        """What was offered has been taken; it still stands until the end of the cycle."""
        self.driven = None

    def beat(self) -> dict[str, int] | None:
        """What comes in this cycle; checks that an offer was not changed before it was taken."""
        valid = self.ctx.get(self.valid)
        values: tuple[int, ...] = tuple(self.ctx.get(signal) for signal in self.signals) if valid else ()
        assert self.offered is None or values == self.offered, f"{self.name} was offered {self.offered}, now {values}"
        taken = bool(valid and self.ctx.get(self.ready))
        self.offered = values if valid and not taken else None
        self.count += taken
        return self.absent | dict(zip(self.fields, values, strict=True)) if taken else None


class Manager:
    """Sends bursts as fast as `pace` allows, and checks every answer.

    Parameters
    ----------
    reads, writes : list of Burst
    memory : bytearray
        What the reads find; no write goes where a read goes.
    outstanding : int
        Requests in each direction.
    judged : callable or None
        What a request must be answered with, if not what the memory has there (``judged(burst) -> int | None``).
    watch : callable or None
        Called with each beat of R.
    """

    def __init__(
        self, ctx, bus, rng: Random, reads, writes, memory, *, pace=0.7, outstanding=16, judged=None, watch=None
    ) -> None:
        self.watch = watch or (lambda beat: None)
        self.rng, self.pace, self.memory, self.outstanding = rng, pace, memory, outstanding
        self.width = len(bus.wdata) // 8
        self.judged = judged or (lambda burst: None)
        self.ar, self.aw, self.w, self.b, self.r = (Channel(ctx, bus, name) for name in FIELDS)
        self.reads, self.writes = deque(reads), deque(self._fill(burst) for burst in writes)
        self.w_beats = deque(beat for asked in self.writes for beat in self._w_beats(asked))
        self.reading: dict[int, deque[Asked]] = defaultdict(deque)
        self.writing: dict[int, deque[Asked]] = defaultdict(deque)
        self.done: list[Asked] = []
        self.given = 0  # beats of write data
        self.due: deque[tuple[Asked, int]] = deque()  # writes, and how many beats must have been given at their answer
        self.must_give = 0
        self.most = 0

    def _fill(self, burst: Burst) -> Asked:
        rng = self.rng
        strobes = burst.strobes(self.width)
        if rng.random() < 0.3:
            strobes = [strobe & rng.getrandbits(self.width) for strobe in strobes]
        return Asked(burst, [(rng.getrandbits(8 * self.width), strobe) for strobe in strobes])

    def _w_beats(self, asked: Asked) -> list[dict[str, int]]:
        last = len(asked.words) - 1
        return [{"data": data, "strb": strb, "last": n == last} for n, (data, strb) in enumerate(asked.words)]

    @property
    def finished(self) -> bool:
        """Whether everything is answered."""
        return not (self.reads or self.writes or any(self.reading.values()) or any(self.writing.values()))

    def _maybe(self, channel: Channel, source) -> None:
        """Offer the next, or go on offering the same."""
        if channel.driven is None and source and self.rng.random() < self.pace:
            channel.offer(source())
        elif channel.driven is None:
            channel.offer(None)

    def drive(self) -> None:
        """First half of a cycle."""
        reading, writing = (sum(map(len, queue.values())) for queue in (self.reading, self.writing))
        self.most = max(self.most, reading, writing)
        can_read = self.reads and reading < self.outstanding
        can_write = self.writes and writing < self.outstanding
        self._maybe(self.ar, can_read and (lambda: _address(self.reads[0])))
        self._maybe(self.aw, can_write and (lambda: _address(self.writes[0].burst)))
        self._maybe(self.w, self.w_beats and self.w_beats.popleft)
        self.r.accept(self.rng.random() < self.pace)
        self.b.accept(self.rng.random() < self.pace)

    def look(self) -> None:
        """Second half of a cycle: see what was taken and what came."""
        if self.ar.taken():
            burst = self.reads.popleft()
            self.reading[burst.id].append(Asked(burst))
            self.ar.gone()
        if self.aw.taken():
            asked = self.writes.popleft()
            self.must_give += asked.burst.beats
            self.due.append((asked, self.must_give))
            self.writing[asked.burst.id].append(asked)
            self.aw.gone()
        if self.w.taken():
            self.given += 1
            self.w.gone()
        if beat := self.r.beat():
            self._read(beat)
        if beat := self.b.beat():
            self._written(beat)

    def _read(self, beat: dict[str, int]) -> None:
        self.watch(beat)
        assert self.reading[beat["id"]], f"read data with ID {beat['id']}, which nobody waits for"
        asked = self.reading[beat["id"]][0]
        number, burst = asked.got, asked.burst
        asked.got += 1
        assert beat["last"] == (asked.got == burst.beats), f"beat {asked.got} of {burst} has RLAST {beat['last']}"
        judged = self.judged(burst)
        if judged is not None:
            assert beat["resp"] == judged, f"{burst} got {beat['resp']}, not {judged}"
        else:
            begin, end = asked.beats[number]
            want = fault(begin)
            assert beat["resp"] == want, f"beat {number} of {burst} got {beat['resp']}, not {want}"
            word = beat["data"].to_bytes(self.width, "little")
            lane = begin % self.width
            assert word[lane : lane + end - begin] == self.memory[begin:end], f"beat {number} of {burst}: wrong data"
        if beat["last"]:
            self.done.append(self.reading[beat["id"]].popleft())

    def _written(self, beat: dict[str, int]) -> None:
        assert self.writing[beat["id"]], f"a write response with ID {beat['id']}, which nobody waits for"
        asked = self.writing[beat["id"]].popleft()
        need = next(need for other, need in self.due if other is asked)
        self.due.remove((asked, need))
        assert self.given >= need, f"{asked.burst} was answered before its data was given"
        judged = self.judged(asked.burst)
        want = worst(fault(begin) for begin, _ in asked.beats) if judged is None else judged
        assert beat["resp"] == want, f"{asked.burst} got {beat['resp']}, not {want}"
        self.done.append(asked)


def _address(burst: Burst) -> dict[str, int]:
    return {
        "id": burst.id, "addr": burst.address, "len": burst.beats - 1, "size": burst.size, "burst": burst.burst,
        "lock": burst.lock, "cache": burst.cache, "prot": burst.prot, "qos": burst.qos, "user": burst.user,
    }  # fmt: skip


class Memory:
    """Behind the adapter: answers legal bursts, one beat a cycle on each channel.

    Members
    -------
    seen : list of Burst
        In order, writes and reads each.
    illegal : list of Burst
        Which AXI forbids on this bus; answered with DECERR, as the fabric does. An error unless `forgiving`.

    With `data_first` it takes no write address before it has data, which AXI allows (IHI 0022H, A3.3.1).
    """

    def __init__(
        self, ctx, bus, rng: Random, memory: bytearray, *, pace=0.7, forgiving=False, serial=False, data_first=False
    ) -> None:
        self.rng, self.pace, self.bytes, self.forgiving, self.serial = rng, pace, memory, forgiving, serial
        self.data_first = data_first
        self.width = len(bus.wdata) // 8
        self.ar, self.aw, self.w, self.b, self.r = (Channel(ctx, bus, name) for name in FIELDS)
        self.reading: dict[int, deque[Asked]] = defaultdict(deque)
        self.addresses: deque[Asked] = deque()
        self.early: deque[dict[str, int]] = deque()
        self.written: dict[int, deque[Asked]] = defaultdict(deque)
        self.seen: list[tuple[str, Burst]] = []
        self.together = 0  # most requests of different IDs at once

    def _legal(self, burst: Burst) -> bool:
        right = legal(burst.address, burst.beats - 1, burst.size, burst.burst, self.width)
        assert right or self.forgiving, f"{burst} is illegal on a bus of {self.width} bytes"
        return right

    def drive(self) -> None:
        """First half of a cycle."""
        rng = self.rng
        for channel in (self.ar, self.aw, self.w):
            channel.accept(
                rng.random() < self.pace and (channel is not self.aw or bool(self.early) or not self.data_first)
            )
        ids = [identity for identity, queue in self.reading.items() if queue]
        if self.r.driven is None:
            offers = ids and rng.random() < self.pace
            self.r.offer(self._read_beat(ids[0] if self.serial else rng.choice(ids)) if offers else None)
        ids = [identity for identity, queue in self.written.items() if queue]
        if self.b.driven is None:
            offers = ids and rng.random() < self.pace
            self.b.offer(self._response(self.written[rng.choice(ids)].popleft()) if offers else None)

    def _response(self, asked: Asked) -> dict[str, int]:
        burst = asked.burst
        response = worst(fault(begin) for begin, _ in asked.beats) if self._legal(burst) else DECERR
        return {"id": burst.id, "resp": EXOKAY if burst.lock and not response else response}

    def _read_beat(self, identity: int) -> dict[str, int]:
        asked = self.reading[identity][0]
        burst, number = asked.burst, asked.got
        asked.got += 1
        last = asked.got == burst.beats
        if last:
            self.reading[identity].popleft()
        if not self._legal(burst):
            return {"id": identity, "data": 0, "resp": DECERR, "last": last}
        begin, _ = asked.beats[number]
        word = begin // self.width * self.width
        data = int.from_bytes(self.bytes[word : word + self.width], "little")
        response = EXOKAY if burst.lock and not fault(begin) else fault(begin)
        return {"id": identity, "data": data, "resp": response, "last": last}

    def look(self) -> None:
        """Second half of a cycle."""
        for channel in (self.r, self.b):
            if channel.taken():
                channel.gone()
        if beat := self.ar.beat():
            burst = _burst(beat)
            self.seen.append(("read", burst))
            self.reading[burst.id].append(Asked(burst))
            self.together = max(self.together, sum(map(bool, self.reading.values())))
        if beat := self.aw.beat():
            burst = _burst(beat)
            self.seen.append(("write", burst))
            self.addresses.append(Asked(burst))
        if beat := self.w.beat():
            self.early.append(beat)
        while self.addresses and self.early:
            self._write(self.addresses[0], self.early.popleft())

    def _write(self, asked: Asked, beat: dict[str, int]) -> None:
        burst, number = asked.burst, asked.got
        asked.got += 1
        assert beat["last"] == (asked.got == burst.beats), f"beat {asked.got} of {burst} has WLAST {beat['last']}"
        if self._legal(burst):
            begin, _ = asked.beats[number]
            allowed = burst.strobes(self.width)[number]
            assert not beat["strb"] & ~allowed, f"beat {number} of {burst} has strobes {beat['strb']:x}"
            word = begin // self.width * self.width
            for lane in range(self.width):
                if beat["strb"] >> lane & 1:
                    self.bytes[word + lane] = beat["data"] >> 8 * lane & 255
        if beat["last"]:
            self.addresses.popleft()
            self.written[burst.id].append(asked)


def _burst(beat: dict[str, int]) -> Burst:
    return Burst(
        beat["addr"], beat["len"] + 1, beat["size"], beat["burst"], beat["id"], beat["lock"], beat["cache"],
        beat["prot"], beat["qos"], beat["user"],
    )  # fmt: skip


def apply(memory: bytearray, asked: Asked, width: int) -> None:
    """What a write should have done to a memory."""
    for (begin, _), (data, strobe) in zip(asked.beats, asked.words, strict=True):
        word = begin // width * width
        for lane in range(width):
            if strobe >> lane & 1:
                memory[word + lane] = data >> 8 * lane & 255
