"""Faults planted in the generator's sources, and which claim of which proof must fail for each."""

# ruff: noqa: E501 (lines of the sources stand here in one piece)

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One planted fault: in a file below ``hdl/`` some text, which is there once, becomes other text.

    `proof` is in the name of the proof that must fail, on `card`, and `red` in a reason for that.
    """

    name: str
    file: str
    text: str
    faulty: str
    proof: str
    red: str
    card: str = "mini"

    @property
    def quick(self) -> bool:
        """Whether `make test` plants it; `make mutate` plants all."""
        return self.name in QUICK

    def plant(self, hdl: Path) -> None:
        """Change the file; ValueError if the text is not there once."""
        path = hdl / self.file
        source = path.read_text(encoding="utf-8")
        if source.count(self.text) != 1:
            raise ValueError(f"mutant {self.name!r}: {self.file} has its text {source.count(self.text)} times")
        path.write_text(source.replace(self.text, self.faulty), encoding="utf-8")


GATE, ARBITER, QUEUE = "fabric/gate.py", "fabric/arbiter.py", "bus/queue.py"
EPOCHS, REKEY, WINDOW, BARRIER = "fabric/epochs.py", "control/rekey.py", "control/window_fill.py", "control/barrier.py"
HANDOVER, TENURE, RETURN, ORDER = (
    "control/handover.py",
    "fabric/tenure.py",
    "fabric/return_queue.py",
    "fabric/id_order.py",
)
DELIVER, TRANSLATE, LOOKUP = "fabric/deliver.py", "fabric/translate.py", "fabric/lookup.py"
READ, WRITE, REKEYS = "read gate of bank", "write gate of bank", "rekey of bank"

MUTANTS = (
    Mutant(
        "a revoked granule is let through",
        GATE,
        "revoked.eq(self.revoke & in_range)",
        "revoked.eq(0)",
        READ,
        "does not hold: ",
    ),
    Mutant(
        "the first granule of a range is not denied",
        GATE,
        "granule >= self.revoke_first",
        "granule > self.revoke_first",
        READ,
        "does not hold: ",
    ),
    Mutant(
        "nobody's key gives rights",
        GATE,
        "has_right.eq(holds.any() & keyed)",
        "has_right.eq(holds.any())",
        READ,
        "does not hold: ",
    ),
    Mutant(
        "all are trusted like the scrubber",
        GATE,
        "trusted.eq(by_scrubber)",
        "trusted.eq(incoming.source != 0)",
        WRITE,
        "does not hold: ",
    ),
    Mutant(
        "the key of the next request",
        GATE,
        "self._check(m, asked.granule, given,",
        "self._check(m, granule, given,",
        READ,
        "does not hold: ",
    ),
    Mutant(
        "arbitration goes on when there is no room",
        GATE,
        "left.eq(leave), room.eq(level < HIGH_WATER)]",
        "left.eq(leave), room.eq(1)]",
        READ,
        "",
    ),
    Mutant(
        "data of a denied write goes out",
        GATE,
        "self.w.valid.eq(valid & ~denied & beats",
        "self.w.valid.eq(valid & beats",
        WRITE,
        "data of what has no right is not offered",
    ),
    Mutant(
        "an epoch is taken a cycle late",
        GATE,
        "            epoch.eq(self.epoch),\n        ]\n        m.d.comb += [\n            incoming.epoch.eq(epoch),",
        "            epoch.eq(0),\n        ]\n        m.d.comb += [\n            incoming.epoch.eq(self.epoch),",
        READ,
        "its epoch",
    ),
    Mutant(
        "what has just left is forgotten",
        GATE,
        "(valid & (head.epoch != self.epoch)) | (self.decided.any() & (self.decided_epoch != self.epoch))",
        "valid & (head.epoch != self.epoch)",
        READ,
        "what has left is seen once more",
    ),
    Mutant(
        "an answer is told to another source",
        GATE,
        "self.decided[n].eq(leave & (head.source == source))",
        "self.decided[n].eq(leave & (incoming.source == source))",
        READ,
        "who asked is told",
    ),
    Mutant(
        "an offer is taken back when the target is cut off",
        GATE,
        "(self.cut & ~offered)",
        "self.cut",
        "read gate of bank0",
        "an offer stays until it is taken",
        card="quad",
    ),
    Mutant("the classes are never ignored", ARBITER, "due & ~ignoring)", "0)", "arbiter of 3", ""),
    Mutant(
        "who is served does not go behind",
        ARBITER,
        "return (self.pairs[i, j] & ~grant[i]) | grant[j]",
        "return self.pairs[i, j] | grant[j]",
        "arbiter of 2",
        "",
    ),
    Mutant(
        "the grant ignores that there is none",
        ARBITER,
        "self.request[i] & self.enable & (~_any",
        "self.request[i] & (~_any",
        "arbiter of 2",
        "no grant while there must be none",
    ),
    Mutant(
        "a grant is late to count",
        ARBITER,
        "passed_over.eq(passed_over + 1)",
        "passed_over.eq(passed_over + granted[0])",
        "arbiter of 3",
        "",
    ),
    Mutant(
        "a queue is full one too early",
        QUEUE,
        "(full | (push & (write_next == self.read_at)))",
        "(full | (write_next == self.read_at))",
        "queue of 4",
        "room is told exactly",
    ),
    Mutant(
        "what fell through is stored as well",
        QUEUE,
        "stored.eq(Mux(push, stored | ~pop, more))",
        "stored.eq(Mux(push, 1, more))",
        "queue of 16, fall through",
        "",
    ),
    Mutant(
        "a queue loses its last entry",
        QUEUE,
        "more = stored & ~(pop & (read_next == write_at))",
        "more = stored & ~pop",
        "queue of 16",
        "what is there is offered",
    ),
    Mutant(
        "the head of this cycle is recalled",
        QUEUE,
        "m.d.sync += recall.addr.eq(self.read_at)",
        "m.d.comb += recall.addr.eq(self.read_at)",
        "recalls",
        "the head of the cycle before is recalled",
    ),
    Mutant(
        "a drain does not wait",
        EPOCHS,
        "(settling == SETTLING) & ~behind)",
        "(settling == SETTLING))",
        "epochs",
        "what was granted before the client asked is answered",
    ),
    Mutant(
        "a drain does not wait for what is being checked",
        EPOCHS,
        "(settling == SETTLING) & ~behind)",
        "(settling == 1) & ~behind)",
        "epochs",
        "what was granted before the client asked is answered",
    ),
    Mutant(
        "a rekey does not drain",
        REKEY,
        "m.d.sync += self.phase.eq(DRAIN)",
        "m.d.sync += self.phase.eq(SETTLE)",
        REKEYS,
        "",
    ),
    Mutant(
        "a rekey does not wait for its zeros", REKEY, "with m.If(nothing_left):", "with m.If(Const(1)):", REKEYS, ""
    ),
    Mutant(
        "the last burst is not zeroed",
        REKEY,
        "all_sent.eq(granule_end & at_end)",
        "all_sent.eq(burst_end & at_end)",
        REKEYS,
        "",
    ),
    Mutant(
        "what could not be zeroed is given away",
        REKEY,
        "                        m.d.sync += new_key.eq(KEY_NOBODY)\n",
        "                        m.d.sync += new_key.eq(new_key)\n",
        REKEYS,
        "it is the key that was asked for, or nobody's",
    ),
    Mutant(
        "a rekey goes one granule too far",
        REKEY,
        "at_end.eq(self.progress == self.revoke_last)",
        "at_end.eq(self.progress > self.revoke_last)",
        REKEYS,
        "does not hold: ",
    ),
    Mutant(
        "a rekey lifts its range too early",
        REKEY,
        "self.revoke.eq(self.phase != IDLE)",
        "self.revoke.eq((self.phase != IDLE) & (self.phase != SETTLE))",
        REKEYS,
        "the range is denied all the while",
    ),
    Mutant(
        "a command in between changes the key",
        REKEY,
        "        with m.Switch(self.phase):\n            with m.Case(IDLE):",
        "        with m.If(self.command & acceptable):\n            m.d.sync += new_key.eq(self.key)\n        with m.Switch(self.phase):\n            with m.Case(IDLE):",
        REKEYS,
        "",
    ),
    Mutant(
        "a window leads behind its target",
        WINDOW,
        "physical_granule < target_end",
        "physical_granule <= target_end",
        "window",
        "an entry leads to a granule that its target has",
    ),
    Mutant(
        "a fill goes on behind the window",
        WINDOW,
        " & (window_granule < plan.window_granules)",
        "",
        "window",
        "it writes inside the window",
    ),
    Mutant(
        "a barrier forgets a target",
        BARRIER,
        "waiting.eq(waiting & ~self.drained)",
        "waiting.eq(waiting & ~self.drained & ~1)",
        "barrier",
        "",
    ),
    Mutant(
        "a context is given before it is drained",
        HANDOVER,
        "(countdown < plan.reset_cycles - 2) & nothing_left",
        "(countdown < plan.reset_cycles - 2)",
        "hand-over of host",
        "",
    ),
    Mutant(
        "a context that is taken away stays with its new slice",
        HANDOVER,
        "owned.eq(assign), charged.eq(assign)",
        "owned.eq(1), charged.eq(1)",
        "hand-over of host",
        "a context is given when it is drained",
    ),
    Mutant(
        "a port is not isolated in its hand-over",
        HANDOVER,
        "[self.isolate.eq(1), self.reset.eq(1)]",
        "self.reset.eq(1)",
        "hand-over of core",
        "",
    ),
    Mutant(
        "a lost context leaves no mark",
        TENURE,
        "parity.eq(parity ^ (before & ~self.owned))",
        "parity.eq(parity)",
        "tenure",
        "",
    ),
    Mutant(
        "a second hand-over does not wait",
        TENURE,
        "self.waits[n].eq((Cat(standing) >> parity[n])[0])",
        "self.waits[n].eq(0)",
        "tenure",
        "",
    ),
    Mutant(
        "an answer gets the note of another",
        RETURN,
        "read_note.addr.eq(verdicts.read_at)",
        "read_note.addr.eq(note_at)",
        "return queue, reads",
        "an answer is stored for",
    ),
    Mutant(
        "what is not answered is not seen",
        RETURN,
        "self.behind.eq(verdicts.o.valid & (verdicts.o.payload.epoch != self.epoch))",
        "self.behind.eq(0)",
        "return queue, reads",
        "what is not answered is seen",
    ),
    Mutant(
        "answers overflow",
        RETURN,
        "full.eq(~self.take & (full |",
        "full.eq(~self.take & ~push & (full |",
        "answers of reads",
        "",
    ),
    Mutant(
        "data of a denied answer is shown",
        RETURN,
        "Mux(self.show & has_data, read_at, 0)",
        "Mux(self.show, read_at, 0)",
        "answers of reads",
        "data of a denied answer is zero",
    ),
    Mutant(
        "more is outstanding than there is room for",
        ORDER,
        "self.room.eq(~outstanding[-1] & ~sweeping)",
        "self.room.eq(~sweeping)",
        "order of IDs, writes",
        "no more is outstanding than there is room for",
    ),
    Mutant(
        "an answer overtakes",
        ORDER,
        "head.data[:bits] == getattr",
        "head.data[:bits] != getattr",
        "order of IDs, writes",
        "its turn comes when those before it are delivered",
    ),
    Mutant(
        "all answers are taken at once",
        DELIVER,
        "turn.grant & turn.accept.replicate(self.sources)",
        "turn.accept.replicate(self.sources)",
        "delivery, reads",
        "is taken",
    ),
    Mutant(
        "a request asks for slice 0",
        TRANSLATE,
        "arriving.slice.eq(lookup.slice)",
        "arriving.slice.eq(0)",
        "translation of core, reads",
        "",
    ),
    Mutant(
        "whoever has no slice asks",
        TRANSLATE,
        "target.eq(lookup.entry.target & accepted)",
        "target.eq(lookup.entry.target)",
        "translation of core, reads",
        "is denied",
    ),
    Mutant(
        "a request of the last owner goes for the present one",
        LOOKUP,
        "self._known(request) & current & self",
        "self._known(request) & self",
        "translation of host, reads",
        "who has no slice is denied",
    ),
)

QUICK = {
    "a revoked granule is let through",
    "what has just left is forgotten",
    "the classes are never ignored",
    "a queue loses its last entry",
    "a drain does not wait for what is being checked",
    "what could not be zeroed is given away",
    "a second hand-over does not wait",
    "an answer gets the note of another",
}
"""Of each kind of block, as far as it does not take long."""
