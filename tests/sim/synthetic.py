"""A card in a hundred lines, with the traces that a real one would leave: what the judge's own tests are made of.

It is right by construction and slow by choice: one transaction after another, unless a test says at which cycle.
"""

import json
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

from hdl.card.loader import load_card
from hdl.plan import manifest
from hdl.plan.planner import elaborate

ROOT = Path(__file__).resolve().parents[2]
SLVERR, DECERR = 2, 3
INCR = 1
COUNTERS = ("READ_BEATS", "WRITE_BEATS", "READ_REQUESTS", "WRITE_REQUESTS", "DENIALS", "STALLS", "LONGEST_LATENCY")


def _zeros() -> dict[str, int]:
    return dict.fromkeys(COUNTERS, 0)


class Synthetic:
    """A card with a memory, its RAM and its bench; with a `chunk` its isolation is strict.

    Members
    -------
    events : dict
        Events by (port, channel); a test changes them to plant a fault.
    cycle : int
        Now.
    chunk : int
        Beats into which bursts are split now.
    """

    def __init__(
        self, scenario: str = "bring_up", variant: str | None = None, card: str = "mini", chunk: int | None = None
    ) -> None:
        config = load_card(ROOT / "boards" / card / "card.yaml")[0]
        if chunk is not None:
            strict = config.fabric.model_copy(update={"isolation": "strict", "chunk": chunk})
            config = config.model_copy(update={"fabric": strict})
        self.manifest: dict[str, Any] = manifest(elaborate(config))
        self.fabric = self.manifest["fabric"]
        self.granule, self.width = self.fabric["granule"], self.fabric["data_width"] // 8
        self.initiators = {port["name"]: port for port in self.manifest["initiators"]}
        self.targets = {port["name"]: port for port in self.manifest["targets"]}
        self.events: dict[tuple[str, str], list[tuple[int, ...]]] = defaultdict(list)
        self.marks: list[dict[str, Any]] = []
        self.chunk: int = self.fabric["chunk"]
        self.cycle = 0
        self.scrub_beats: int = self.fabric["scrub_beats"]
        self.owner: dict[tuple[str, int], int] = {}
        self.window: dict[tuple[str, int, int], tuple[str, int]] = {}
        self.keys: dict[tuple[str, int], int] = defaultdict(int)
        self.rights: dict[tuple[int, bool], int] = defaultdict(int)
        self.memory: dict[tuple[str, int], int] = {}
        self.faults: list[dict[str, Any]] = []
        self.slots: dict[tuple[int, bool], int] = defaultdict(int)
        self.counts: dict[int, dict[str, int]] = defaultdict(_zeros)
        self.mark("run", scenario=scenario, variant=variant, seed=1, hash=self.manifest["hash"], command="make sim")

    # ------------------------------------------------------------ writing things down

    def mark(self, kind: str, **fields: Any) -> None:
        """A mark of the bench."""
        self.marks.append({"cycle": self.cycle, "kind": kind, **fields})

    def event(self, cycle: int, port: str, channel: str, *fields: int) -> None:
        """An event of the recorder."""
        self.events[port, channel].append((cycle, *fields))

    def save(self, folder: Path) -> Path:
        """Write the trace as recorder and bench do."""
        folder.mkdir(parents=True)
        lines = [
            (event[0], f"{event[0]} {port} {channel} {' '.join(f'{value:x}' for value in event[1:])}\n")
            for (port, channel), events in self.events.items()
            for event in events
        ]
        (folder / "events.txt").write_text("".join(text for _, text in sorted(lines, key=lambda line: line[0])))
        (folder / "marks.jsonl").write_text("".join(json.dumps(mark) + "\n" for mark in self.marks))
        return folder

    # ------------------------------------------------------------ the register port

    def address(self, block: str, register: str, member: int) -> int:
        """Of a register."""
        described = self.manifest["registers"][block]
        return described["base"] + member * described["stride"] + described["registers"][register]["offset"]

    def word(self, block: str, register: str, fields: dict[str, int]) -> int:
        """Value of a register."""
        described = self.manifest["registers"][block]["registers"][register]["fields"]
        return sum(value << described[name]["lsb"] for name, value in fields.items())

    def put(self, block: str, register: str, member: int = 0, **fields: int) -> None:
        """Write a register."""
        self.event(self.cycle, "control", "AW", self.address(block, register, member))
        self.event(self.cycle, "control", "W", self.word(block, register, fields), 15)
        self.event(self.cycle + 2, "control", "B", 0)
        self.cycle += 3

    def get(self, block: str, register: str, member: int = 0, **fields: int) -> None:
        """Read a register; the card answers with these fields."""
        self.event(self.cycle, "control", "AR", self.address(block, register, member))
        self.event(self.cycle + 3, "control", "R", self.word(block, register, fields), 0)
        self.cycle += 4

    # ------------------------------------------------------------ what the RAM does

    def boot(self) -> None:
        """Reset is over; the key tables have been swept."""
        self.event(0, "-", "rst", 0)
        for name, port in self.initiators.items():
            if port["kind"] != "host":
                self.event(0, name, "reset", 1)
        self.cycle = 20
        for index in range(len(self.targets)):
            self.get("target", "STATUS", index, phase=0)

    def assign(self, port: str, context: int, owner: int | None) -> None:
        """Hand a context over."""
        index = list(self.initiators).index(port)
        core = self.initiators[port]["kind"] != "host"
        if core and (port, context) in self.owner:
            self.event(self.cycle + 3, port, "reset", 1)
        self.put("initiator", "HANDOVER", index, context=context, slice=owner or 0, assign=int(owner is not None))
        self.cycle += 40
        if core and owner is not None:
            self.event(self.cycle, port, "reset", 0)
        self.get("initiator", "STATUS", index, phase=0)
        self.owner.pop((port, context), None)
        if owner is not None:
            self.owner[port, context] = owner

    def grant(self, key: int, readers: int, writers: int) -> None:
        """Set the rights on a key."""
        self.put("key", "READ", key, slices=readers)
        self.put("key", "WRITE", key, slices=writers)
        self.rights[key, False], self.rights[key, True] = readers, writers
        self.cycle += 20

    def map(self, port: str, context: int, window: int, target: str, granule: int, count: int = 1) -> None:
        """Fill a window."""
        index = self.initiators[port]["contexts"][context]
        self.put("window", "CONTEXT", index=index)
        self.put("window", "FIRST", granule=window)
        self.put("window", "COUNT", granules=count)
        number = list(self.targets).index(target)
        self.put("window", "FILL", granule=granule, target=number, readable=1, writable=1)
        self.cycle += 40
        for offset in range(count):
            self.window[port, context, window + offset] = target, granule + offset

    def rekey(self, target: str, first: int, last: int, key: int, scrub: bool = True) -> int:
        """Change the owner of granules; returns the cycle of the first scrub write."""
        index = list(self.targets).index(target)
        self.put("target", "FIRST", index, granule=first)
        self.put("target", "LAST", index, granule=last)
        self.put("target", "REKEY", index, key=key, scrub=int(scrub))
        self.cycle += 20
        begin = self.cycle
        burst = self.scrub_beats * self.width
        for address in range(first * self.granule, (last + 1) * self.granule, burst) if scrub else ():
            self.event(self.cycle, target, "AW", len(self.initiators), address, burst // self.width - 1,
                       self.width.bit_length() - 1, INCR, 0, 0, 0, 0)  # fmt: skip
            for beat in range(burst // self.width):
                self.event(
                    self.cycle + beat, target, "W", 0, (1 << self.width) - 1, int(beat == burst // self.width - 1)
                )
                self.memory[target, address + beat * self.width] = 0
            self.cycle += burst // self.width
            self.event(self.cycle, target, "B", len(self.initiators), 0)
        self.cycle += 20
        self.get("target", "STATUS", index, phase=0)
        for granule in range(first, last + 1):
            self.keys[target, granule] = key
        return begin

    # ------------------------------------------------------------ what initiators do

    def _decide(self, port: str, write: bool, address: int, user: int, legal: bool) -> tuple[str, str, int, int]:
        """Kind of denial or nothing, target, address there, slice."""
        context = user if len(self.initiators[port]["contexts"]) > 1 else 0
        owner = self.owner.get((port, context), -1)
        if owner < 0:
            return "no_slice", "", address, -1
        if not legal:
            return "burst", "", address, owner
        place = self.window.get((port, context, address // self.granule))
        if place is None:
            return "window", "", address, owner
        target, granule = place
        inside = granule * self.granule + address % self.granule
        key = self.keys[target, granule if self.targets[target]["kind"] == "memory" else 0]
        allowed = key and self.rights[key, write] >> owner & 1
        return ("" if allowed else "key"), target, inside, owner

    def _pieces(self, address: int, beats: int, burst: int, lock: int) -> list[tuple[int, int, int]]:
        """Address, first beat and number of beats of each piece; a burst that is not split is one."""
        chunk = self.chunk
        if self.fabric["isolation"] != "strict" or burst != INCR or lock or beats <= chunk:
            return [(address, 0, beats)]
        firsts = range(0, beats, chunk)
        page = address // 4096 * 4096  # an illegal burst wraps inside its 4 KiB
        return [(page + (address + first * self.width) % 4096, first, min(chunk, beats - first)) for first in firsts]

    def _identity(self, index: int, write: bool) -> int:
        """ID at a target: the source, and above it the slots of the port in turn if there are any."""
        if self.fabric["isolation"] != "strict":
            return index
        self.slots[index, write] += 1
        slot = self.slots[index, write] % self.fabric["outstanding"]
        return index | slot << self.fabric["source_bits"]

    def access(
        self, port: str, write: bool, address: int, data: int | list[int] = 0, *, id: int = 0, user: int = 0,
        burst: int = INCR, lock: int = 0, at: int | None = None, there: int = 4, back: int = 2,
        lost: Collection[int] = (), mixed: bool = False,
    ) -> int:  # fmt: skip
        """A transaction: `data` is the words to write, or the number of beats to read. Returns the cycle of its end.

        Of its pieces those in `lost` find their granule revoked. With `mixed` the target answers the pieces of a read
        beat by beat in turn, the last piece first.
        """
        start = self.cycle if at is None else at
        beats = len(data) if isinstance(data, list) else max(1, data)
        size = self.width.bit_length() - 1
        legal = burst == INCR and address % 4096 + beats * self.width <= 4096
        fields = (size, burst, lock, 3, 2)
        index = list(self.initiators).index(port)
        self.event(start, port, "AW" if write else "AR", id, address, beats - 1, *fields, user)
        for beat, word in enumerate(data if isinstance(data, list) else ()):
            self.event(start + beat, port, "W", word, (1 << self.width) - 1, int(beat == beats - 1))
        pieces = self._pieces(address, beats, burst, lock)
        late = 2 * beats if mixed else 0
        codes = []
        for number, (from_, first, count) in enumerate(pieces):
            kind, target, inside, owner = self._decide(port, write, from_, user, legal)
            kind = "revoked" if number in lost else kind
            code = DECERR if kind in ("no_slice", "window", "burst") else SLVERR if kind else 0
            codes.append(code)
            reply, identity = start + there + first, self._identity(index, write)
            if not kind:
                self.event(reply, target, "AW" if write else "AR", identity, inside, count - 1, *fields, owner)
            for beat in range(count):
                place, word, last = (target, inside + beat * self.width), 0, int(beat == count - 1)
                if isinstance(data, list) and not kind:
                    self.memory[place] = data[first + beat]
                    self.event(reply + beat, target, "W", data[first + beat], (1 << self.width) - 1, last)
                elif not write:
                    if not kind:
                        word = self.memory.get(place, 0x5A5A5A5A)
                        turn = beats + beat * len(pieces) - first - number if mixed else beat
                        self.event(reply + 3 + turn, target, "R", identity, word, 0, last)
                    cycle, last = reply + 3 + back + beat + late, int(first + beat == beats - 1)
                    self.event(cycle, port, "R", id, word, code, last)
            if write and not kind:
                self.event(reply + count + 1, target, "B", identity, 0)
            end = start + there + back + (beats + 1 if write else 2 + beats + late)
            self._count(kind, write, index, target, user, owner, inside, count, end - start)
        if write:
            self.event(end, port, "B", id, max(codes))
        self.cycle = max(self.cycle, end + 1)
        return end

    def _count(self, kind: str, write: bool, index: int, target: str, user: int, owner: int, address: int, beats: int,
               latency: int) -> None:  # fmt: skip
        own, what = self.counts[owner], "WRITE" if write else "READ"
        own["LONGEST_LATENCY"] = max(own["LONGEST_LATENCY"], latency)
        if kind in ("", "key", "revoked"):
            own[f"{what}_REQUESTS"] += 1
            own[f"{what}_BEATS"] += beats
        if kind:
            own["DENIALS"] += 1
            contexts = self.manifest["initiators"][index]["contexts"]
            number = list(self.targets).index(target) if target else 0
            where = {"initiator": index, "target": number, "context": user if len(contexts) > 1 else 0}
            whose = {"slice": max(owner, 0), "owned": int(owner >= 0), "address": address}
            self.faults.append({"kind": kind, "write": int(write)} | where | whose)

    def finish(self) -> None:
        """Everything is quiet; the bench reads log and counters, and ends."""
        self.cycle += 50
        self.mark("faults", entries=self.faults[:-1], lost=len(self.faults[-1:]), quiet=True)
        slices = range(self.fabric["slices"])
        self.mark("counters", slices={str(number): dict(self.counts[number]) for number in slices}, quiet=True)
        self.mark("wall", cycles=self.cycle, seconds=1.0)
        self.mark("end")
