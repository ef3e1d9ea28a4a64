"""The reference model: who owns what when, and how each request must be answered.

It follows the writes that it sees on the register port and knows the architecture's rules, not the RTL. Where the
rules leave open in which cycle a change happens, both answers are right, but no third one.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .bursts import DECERR, SLVERR, legal
from .control import SETTLE, Access, accesses
from .events import Trace
from .fence import check_fence
from .findings import Findings
from .history import History
from .transactions import FOREVER, Request

REVOKED = -1
"""In place of a key: a rekey has taken the granule out of everybody's hands."""
NOBODY = -1
"""In place of a slice."""
CUT_OFF = "cut_off"
"""Kind of the denial by a target that is cut off."""
AT_TARGET = ("key", "revoked", CUT_OFF)
"""Kinds of denials at a target."""


class Outcome(NamedTuple):
    """One right way to answer a request: `response` is None if it goes to a target, else the code of the denial.

    `address` is that in the target; of a denial, that in the fault log.
    """

    response: int | None
    kind: str
    target: int
    address: int
    slice: int


class Entry(NamedTuple):
    """Where a window granule leads."""

    target: int
    granule: int
    readable: int
    writable: int


@dataclass
class Rekey:
    """A change of owner of a run of granules.

    Members
    -------
    begin, end : int
        First cycle in which it may have begun, last in which it may have ended.
    settled : int
        Cycle from which the range is certainly revoked.
    drained : int
        Cycle from which nothing from before it may come out of the fabric, as far as the card has shown it.
    """

    target: int
    first: int
    last: int
    key: int
    scrub: bool
    begin: int
    settled: int
    drained: int
    end: int
    failed: bool = False


@dataclass
class Handover:
    """A change of slice of a context (its index in the card's list)."""

    initiator: int
    context: int
    slice: int
    begin: int
    end: int


class Reference:
    """The model of a card over a whole run.

    Parameters
    ----------
    manifest : dict
    trace : Trace
    findings : Findings
        Where contradictions between a command and the status that the card showed are noted, as check ``commands``.

    Members
    -------
    rekeys, handovers : list
        In order of their command.
    barriers : list of (begin, end)
        A request that leaves the fabric after `end` was checked after `begin`.
    cuts : list of int
        Cycles in which a target was cut off.
    refused : int
        Writes to registers under another token than the owner's.
    snapshots : list of int
        Cycles in which the counters were copied.
    contracts : dict
        By slice and name (``class``, ``rate``, ``limited``, ``beats``, ``separate``, ``write_rate``, ``write_limited``,
        ``write_beats``, ``outstanding``, ``halvings``): its history.
    """

    def __init__(self, manifest: dict[str, Any], trace: Trace, findings: Findings) -> None:
        self.manifest, self.trace, self.findings = manifest, trace, findings
        self.fabric: dict[str, Any] = manifest["fabric"]
        self.granule: int = self.fabric["granule"]
        self.initiators, self.targets = manifest["initiators"], manifest["targets"]
        self.rekeys: list[Rekey] = []
        self.handovers: list[Handover] = []
        self.barriers: list[tuple[int, int]] = []
        self.snapshots: list[int] = []
        self.steering: dict[int, History[tuple[int, int]]] = defaultdict(lambda: History((0, 0)))
        self.contracts: dict[tuple[int, str], History[int]] = defaultdict(lambda: History(0))
        self._owners: dict[int, History[int]] = defaultdict(lambda: History(NOBODY))
        self._windows: dict[tuple[int, int], History[Entry | None]] = defaultdict(lambda: History(None))
        self._rights: dict[tuple[int, bool], History[int]] = defaultdict(lambda: History(0))
        self._keys: list[dict[int, History[int]]] = [{} for _ in self.targets]
        self.cuts: list[int] = []
        self._cut_off: list[History[int]] = [History(0) for _ in self.targets]
        for target, history in zip(self.targets, self._cut_off, strict=True):
            for cycle, level in trace.of(target["name"], "cut_off"):
                history.change(level, cycle - 1, cycle + 1)
                self.cuts += [cycle] if level else []
        self._accesses = accesses(manifest, trace)
        self.refused = check_fence(manifest, trace, findings)
        self._reads: dict[tuple[str, int, str], list[Access]] = defaultdict(list)
        for access in self._accesses:
            if not access.write:
                self._reads[access.place].append(access)
        self._swept = [
            self._seen("target", index, "STATUS", 0, lambda fields: not fields["phase"])
            for index in range(len(self.targets))
        ]
        self._held: dict[tuple[str, int, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for access in self._accesses:
            if access.write:
                self._follow(access)

    # ------------------------------------------------------------ following the register writes

    def _seen(self, block: str, member: int, register: str, after: int, when: Callable[[dict[str, int]], bool]) -> int:
        """End of the first read, begun after a cycle, that showed a condition; FOREVER if there is none."""
        reads = self._reads[block, member, register]
        return next((read.end for read in reads if read.begin >= after and when(read.fields)), FOREVER)

    def _accepted(self, access: Access, right: bool, earlier_end: int) -> bool:
        """Whether a command was taken; also checks that the card says so."""
        reads = self._reads[access.block, access.member, "STATUS"]
        status = next((read.fields for read in reads if read.begin >= access.end), None)
        expected = right and earlier_end <= access.begin
        open_ended = right and not expected
        refused = bool(status["refused"]) if status else not right
        if status and not open_ended and refused == expected:
            did, should = "refused" if refused else "took", "right" if expected else "wrong"
            text = f"{access.block} {access.member} {did} {access.register} {access.fields}, which is {should}"
            self.findings.add("commands", access.begin, text)
        return not refused

    def _follow(self, access: Access) -> None:
        settled = access.end + SETTLE
        match access.place:
            case "key", key, ("READ" | "WRITE") as right if key != self.fabric["key_nobody"]:
                self._rights[key, right == "WRITE"].change(access.fields["slices"], access.begin, settled)
            case "slice", index, ("QOS" | "RATE" | "BURST"):
                for name, value in access.fields.items():
                    # What the meter tells a context reaches it within a rotation.
                    told = settled + self.fabric["budget_period"] * (name == "halvings")
                    self.contracts[index, name].change(value, access.begin, told)
            case "slice", index, ("WRITE_RATE" | "WRITE_BURST"):
                for name, value in access.fields.items():
                    own = name if name == "separate" else f"write_{name}"
                    self.contracts[index, own].change(value, access.begin, settled)
            case "slice", index, "OUTSTANDING":
                self.contracts[index, "outstanding"].change(access.fields["requests"], access.begin, settled)
            case "window", _, "FILL":
                self._fill(access)
            case "target", index, "REKEY":
                self._rekey(index, access)
            case "initiator", index, "HANDOVER":
                self._handover(index, access)
            case "barrier", _, "COMMAND":
                end = self._seen("barrier", 0, "STATUS", access.end, lambda fields: not fields["busy"])
                if not self.barriers or self.barriers[-1][1] <= access.begin:  # ignored while busy
                    self.barriers.append((access.begin, end))
            case "counters", _, "SNAPSHOT":
                self.snapshots.append(access.begin)
            case "controller", index, "STEER":
                end = self._seen("controller", index, "STATUS", access.end, lambda fields: not fields["refused"])
                if end < FOREVER:
                    steered = access.fields["first"], access.fields["width"]
                    self.steering[index].change(steered, access.begin, settled)
        self._held[access.place] = access.fields

    def _fill(self, access: Access) -> None:
        context = self._held["window", 0, "CONTEXT"]["index"]
        first, count = self._held["window", 0, "FIRST"]["granule"], self._held["window", 0, "COUNT"]["granules"]
        count = min(count, max(0, self.fabric["window_granules"] - first))
        port = next((port for port in self.initiators if context in port["contexts"]), None)
        if port is None:
            return
        target, granule = access.fields["target"], access.fields["granule"]
        known = target < len(self.targets) and target in port["targets"]
        for number in range(count):
            entry = None
            if known and granule + number < self.targets[target]["granules"]:
                entry = Entry(target, granule + number, access.fields["readable"], access.fields["writable"])
            self._windows[context, first + number].change(entry, access.begin, access.end + SETTLE + count)

    def _key(self, target: int, granule: int) -> History[int]:
        keys = self._keys[target]
        if granule not in keys:
            # After reset the whole target is revoked until the engine has set the key of nobody everywhere.
            keys[granule] = History(REVOKED)
            keys[granule].change(self.fabric["key_nobody"], 0, self._swept[target])
        return keys[granule]

    def _change_keys(self, rekey: Rekey) -> None:
        self.rekeys.append(rekey)
        for granule in range(rekey.first, rekey.last + 1):
            keys = self._key(rekey.target, granule)
            keys.change(REVOKED, rekey.begin, rekey.settled)
            keys.change(rekey.key, rekey.begin, rekey.end)

    def _rekey(self, index: int, access: Access) -> None:
        target = self.targets[index]
        first, last = (self._held["target", index, name]["granule"] for name in ("FIRST", "LAST"))
        key, scrub = access.fields["key"], bool(access.fields["scrub"])
        right = (
            target["device"] is None
            and first <= last < target["keyed"]
            and key < self.fabric["keys"]
            and (target["kind"] == "memory" or not scrub)
        )
        earlier = max([self._swept[index], *(rekey.end for rekey in self.rekeys if rekey.target == index)])
        if not self._accepted(access, right, earlier):
            return
        end = self._seen("target", index, "STATUS", access.end, lambda fields: not fields["phase"])
        states = self._reads["target", index, "STATUS"]
        failed = any(read.end == end and read.fields.get("failed") for read in states)
        if failed:
            key = self.fabric["key_nobody"]
        draining = [self.manifest["enumerations"]["rekey_phase"].index(phase) for phase in ("revoke", "drain")]
        drained = self._seen("target", index, "STATUS", access.end, lambda fields: fields["phase"] not in draining)
        settled = access.end + SETTLE
        self._change_keys(Rekey(index, first, last, key, scrub, access.begin, settled, drained, end, failed))

    def _handover(self, index: int, access: Access) -> None:
        port = self.initiators[index]
        key = self._held["initiator", index, "KEY"]["key"]
        number, owner = access.fields["context"], access.fields["slice"]
        right = owner < self.fabric["slices"] and number < len(port["contexts"]) and key < self.fabric["keys"]
        earlier = max((handover.end for handover in self.handovers if handover.initiator == index), default=0)
        if not self._accepted(access, right, earlier):
            return
        end = self._seen("initiator", index, "STATUS", access.end, lambda fields: not fields["phase"])
        # The RAM looks when it likes; a core goes on as soon as its reset falls.
        resets = self.trace.of(port["name"], "reset")
        released = [cycle for cycle, level in resets if cycle > access.begin and not level]
        end = min([end, *released])
        assigned = bool(access.fields["assign"])
        context = port["contexts"][number]
        self._owners[context].change(NOBODY, access.begin, access.end + SETTLE)
        self._owners[context].change(owner if assigned else NOBODY, access.begin, end)
        self.handovers.append(Handover(index, context, owner if assigned else NOBODY, access.begin, end))
        if port["device"] is not None:
            device = self.manifest["pcie"]["devices"][port["device"]]
            new = key if assigned else self.fabric["key_nobody"]
            settled = access.end + SETTLE
            self._change_keys(Rekey(device["target"], 0, 0, new, False, access.begin, settled, end, end))

    # ------------------------------------------------------------ asking

    def context(self, initiator: int, user: int) -> int | None:
        """Index of the context that a request belongs to, or None; AxUSER of a port without contexts is ignored."""
        contexts: list[int] = self.initiators[initiator]["contexts"]
        if len(contexts) == 1:
            return contexts[0]
        return contexts[user] if user < len(contexts) else None

    def owners(self, context: int, begin: int, end: int) -> list[int]:
        """Slices that a context may have belonged to."""
        return self._owners[context].possible(begin, end)

    def keys(self, target: int, granule: int, begin: int, end: int) -> list[int]:
        """Keys that a granule may have had; a target that is no memory has one for all."""
        return self._key(target, granule if self.targets[target]["kind"] == "memory" else 0).possible(begin, end)

    def may(self, key: int, slice_: int, write: bool, begin: int, end: int) -> set[bool]:
        """Whether a slice may have had a right on a key, and whether it may have lacked it."""
        if key in (REVOKED, self.fabric["key_nobody"]):
            return {False}
        return {bool(rights >> slice_ & 1) for rights in self._rights[key, write].possible(begin, end)}

    def chunks(self, initiator: int, request: Request, begin: int, end: int) -> set[int]:
        """Beats of the pieces into which a burst may have been split that entered in the cycles `begin` to `end`.

        Those of who owned its context, and of the card as long as nobody did.
        """
        chunk: int = self.fabric["chunk"]
        context = self.context(initiator, request.user)
        owners = [NOBODY] if context is None else self.owners(context, begin, end)
        return {
            chunk >> halvings
            for owner in owners
            for halvings in ([0] if owner == NOBODY else self.contracts[owner, "halvings"].possible(begin, end))
        }

    def rights(self, key: int, write: bool, begin: int, end: int) -> list[int]:
        """Bitmaps of the slices that may have had a right on a key."""
        return self._rights[key, write].possible(begin, end)

    def outcomes(self, initiator: int, request: Request, begin: int, end: int, whole: Request) -> set[Outcome]:
        """All right ways to answer a request that the fabric looked at in the cycles `begin` to `end`.

        A piece of a split burst is legal if `whole` is, the burst as the initiator gave it; otherwise `whole` is
        `request`.
        """
        context = self.context(initiator, request.user)
        if context is None:
            return {Outcome(DECERR, "no_slice", 0, request.address, NOBODY)}
        data_bytes = self.fabric["data_width"] // 8
        right_burst = legal(whole.address, whole.length, whole.size, whole.burst, data_bytes)
        granule = request.address // self.granule
        entries: list[Entry | None] = [None]
        if granule < self.fabric["window_granules"]:
            entries = self._windows[context, granule].possible(begin, end)
        result = set()
        for owner in self.owners(context, begin, end):
            if owner == NOBODY:
                result.add(Outcome(DECERR, "no_slice", 0, request.address, NOBODY))
                continue
            if not right_burst:
                result.add(Outcome(DECERR, "burst", 0, request.address, owner))
                continue
            for entry in entries:
                if entry is None or not (entry.writable if request.write else entry.readable):
                    result.add(Outcome(DECERR, "window", 0, request.address, owner))
                    continue
                address = entry.granule * self.granule + request.address % self.granule
                for key in self.keys(entry.target, entry.granule, begin, end):
                    for allowed in self.may(key, owner, request.write, begin, end):
                        kind = "" if allowed else "revoked" if key == REVOKED else "key"
                        result.add(Outcome(None if allowed else SLVERR, kind, entry.target, address, owner))
                        if allowed and 1 in self._cut_off[entry.target].possible(begin, end):
                            result.add(Outcome(SLVERR, CUT_OFF, entry.target, address, owner))
        return result
