"""From one state of a card to another: which register operations, in which order, and why."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from .image import Contract, Entry, Image, bridge, image_of
from .inventory import Inventory
from .manifest import Card
from .operations import FENCE, Recorder, Transition, identity_of, retoken

POLLS = 100_000
"""Polls for something that takes a drain: a few responses of a target."""
POLLS_PER_BEAT = 64
"""More polls for each beat of a scrub, which has the lowest class and may have to wait for every single burst."""


Item = TypeVar("Item")


def build(card: Card, title: str, before: Inventory, after: Inventory) -> Transition:
    """The transition that takes a card from `before` to `after`.

    First everything that is new and free is set up, then what goes is revoked, then what changes hands is granted
    (see `ram.image.bridge`). GENERATION is written last, so a transition that was cut short is recognised.
    """
    start, end = image_of(card, before), image_of(card, after)
    between = bridge(card, start, end)
    writer = _Writer(card, after)
    writer.step(start, between)
    writer.step(between, end)
    changes = writer.recorder.operations
    recorder = Recorder(card, after.token)
    if changes:
        recorder.identity(before.generation)
        recorder.fence()
        recorder.operations += changes
        recorder.end(after.generation)
    return Transition(title, card.card, card.hash, before.generation, tuple(recorder.operations))


def attach(card: Card, target: str, before: Inventory, after: Inventory) -> Transition:
    """The transition that attaches a target again that was cut off; it has been reset meanwhile."""
    title, member = f"attach {target}", card.target[target]
    recorder = Recorder(card, after.token)
    recorder.identity(before.generation)
    recorder.fence()
    recorder.compare("target", member, "STATUS", f"{target} is cut off and owes nothing", cut_off=1, settled=1)
    recorder.write("target", member, "ATTACH", f"{target} gets requests again", attach=1)
    recorder.wait("target", member, "STATUS", f"{target} is attached", POLLS, cut_off=0)
    recorder.end(after.generation)
    return Transition(title, card.card, card.hash, before.generation, tuple(recorder.operations))


def take_over(card: Card, before: Inventory, after: Inventory) -> Transition:
    """The transition by which the card takes no more writes but those under the token of `after`."""
    recorder = Recorder(card, after.token)
    recorder.identity(before.generation)
    _begin(recorder)
    recorder.end(after.generation)
    return Transition(f"take over with token {after.token}", card.card, card.hash, before.generation,
                      tuple(recorder.operations))  # fmt: skip


def restore(card: Card, blank: Inventory, after: Inventory) -> Transition:
    """The transition of a card that was reset, `blank`, to a state that it had: with its owner and its generation."""
    whole = build(card, "restore the state after a reset", blank, after)
    if not whole.operations and after.generation:
        recorder = Recorder(card, after.token)
        recorder.identity(blank.generation)
        recorder.end(after.generation)
        whole = replace(whole, operations=tuple(recorder.operations))
    return taken_over(card, whole, after.token) if whole.operations else whole


def fence(card: Card, token: int) -> Transition:
    """Only this: no writes under older tokens, whatever state the card is in."""
    recorder = Recorder(card, token)
    recorder.identity()
    _begin(recorder)
    return Transition("fence the former owner off", card.card, card.hash, 0, tuple(recorder.operations))


def taken_over(card: Card, rest: Transition, token: int) -> Transition:
    """What is left of a transition (`ram.journal.rest_of`) under a newer token; who began it is fenced off first."""
    recorder = Recorder(card, token)
    known = identity_of(rest)
    recorder.operations += [operation for operation in known if operation.register != FENCE]
    _begin(recorder)
    recorder.operations += retoken(rest.operations[len(known) :], card, token)
    return replace(rest, operations=tuple(recorder.operations))


def _begin(recorder: Recorder) -> None:
    recorder.write("identity", 0, "FENCE", "writes under older tokens are refused from now on", token=recorder.token)
    recorder.fence()


class _Writer:
    """Writes down the operations between two images."""

    def __init__(self, card: Card, after: Inventory) -> None:
        self.card, self.recorder = card, Recorder(card, after.token)
        self.names = {owner.index: owner.name for owner in after.slices}
        self.idle: set[int] = set()
        self.staged: dict[tuple[str, int, str], int] = {}

    def step(self, a: Image, b: Image) -> None:
        """From `a` to `b`: contracts, then what goes, then what comes."""
        for index in sorted(b.contracts):
            self._contract(index, a.contracts.get(index, Contract()), b.contracts[index])
        self._revoke(a, b)
        self._grant(a, b)
        for index in sorted(a.contracts.keys() - b.contracts.keys()):
            self._contract(index, a.contracts[index], Contract())

    # ------------------------------------------------------------ what goes

    def _revoke(self, a: Image, b: Image) -> None:
        moved = {device for device, lanes in a.lanes.items() if b.lanes.get(device) != lanes}
        paused = {self.card.initiators[self.card.pcie.devices[d].initiator].contexts[0] for d in moved}
        leaving = sorted(context for context in a.owners if context not in b.owners or context in paused)
        self._hand_over(dict.fromkeys(leaving), b)
        for device in sorted(moved):
            self._steer(device, 0, 0, "its lanes are free")
        for initiator in sorted(a.boots.keys() - b.boots.keys()):
            self._boot(initiator, a.boots[initiator], 0)
        for context in sorted(a.windows):
            window = b.windows[context]
            gone = {g: Entry(0, 0, False, False) for g, e in a.windows[context].items() if window.get(g) != e}
            if not window and gone:  # also what leads nowhere already, so that one fill is enough
                gone = {g: Entry(0, 0, False, False) for g in range(min(gone), max(gone) + 1)}
            self._fill(context, gone, "this part of the window leads nowhere from now on")
        for target in sorted(a.timed):
            self._timed(target, a.timed[target], a.timed[target] & b.timed.get(target, 0))
        for target, slot in sorted(a.slots.keys() - b.slots.keys()):
            self._slot(target, slot, None)
        self._rekey({place: 0 for place in a.keys if place not in b.keys}, "nobody's from now on", scrub=False)
        revoked = False
        for name, old, new in (("READ", a.read, b.read), ("WRITE", a.write, b.write)):
            for key in sorted(old):
                if rest := old[key] & ~new.get(key, 0):
                    reason = f"{self._who(rest)} may not {name.lower()} with key {key} any more"
                    self.recorder.write("key", key, name, reason, slices=old[key] & ~rest)
                    revoked = True
        if revoked:
            self.recorder.write("barrier", 0, "COMMAND", "what has passed so far is answered first", start=1)
            self.recorder.wait("barrier", 0, "STATUS", "the rights are gone for good", POLLS, busy=0)

    # ------------------------------------------------------------ what comes

    def _grant(self, a: Image, b: Image) -> None:
        new = {place: key for place, key in b.keys.items() if a.keys.get(place, 0) != key}
        self._rekey(new, "a new owner, who finds zeros", scrub=True)
        for name, old, rights in (("READ", a.read, b.read), ("WRITE", a.write, b.write)):
            for key in sorted(rights):
                # What `a` had too much is gone by now.
                if more := rights[key] & ~old.get(key, 0):
                    reason = f"{self._who(more)} may {name.lower()} with key {key}"
                    self.recorder.write("key", key, name, reason, slices=rights[key])
        for (target, slot), owner in sorted(b.slots.items()):
            if a.slots.get((target, slot)) != owner:
                self._slot(target, slot, owner)
        for target in sorted(b.timed):
            # Of those that `a` had, the ones that go are gone by now.
            self._timed(target, a.timed.get(target, 0) & b.timed[target], b.timed[target])
        for device, (first, width) in sorted(b.lanes.items()):
            if a.lanes.get(device) != (first, width):
                self._steer(device, first, width, f"lanes {first} to {first + width - 1} are its own")
        for initiator in sorted(b.boots):
            self._boot(initiator, a.boots.get(initiator, 0), b.boots[initiator])
        for context in sorted(b.windows):
            if context not in a.windows:
                everything = {g: Entry(0, 0, False, False) for g in range(self.card.fabric.window_granules)}
                self._fill(context, everything, "a reset does not clear windows")
            old_window = a.windows.get(context, {})
            self._fill(
                context, {g: e for g, e in b.windows[context].items() if old_window.get(g) != e}, "leads to its memory"
            )
        arriving = {c: owner for c, owner in b.owners.items() if a.owners.get(c) != owner}
        for device, lanes in b.lanes.items():
            if a.lanes.get(device) != lanes:
                context = self.card.initiators[self.card.pcie.devices[device].initiator].contexts[0]
                arriving |= {context: b.owners[context]} if context in b.owners else {}
        self._hand_over(dict(sorted(arriving.items())), b)

    # ------------------------------------------------------------ the engines

    def _contract(self, index: int, old: Contract, new: Contract) -> None:
        who = f"slice {self.names[index]}" if index in self.names else "a slice that is gone"
        if old.burst != new.burst:
            self.recorder.write("slice", index, "BURST", f"token bucket of {who}", beats=new.burst)
        if (old.rate, old.limited) != (new.rate, new.limited):
            reason = f"bandwidth limit of {who}" if new.limited else f"no bandwidth limit for {who}"
            self.recorder.write("slice", index, "RATE", reason, rate=new.rate, limited=new.limited)
        if old.write_burst != new.write_burst:
            self.recorder.write(
                "slice", index, "WRITE_BURST", f"token bucket of writes of {who}", beats=new.write_burst
            )
        write_rate = new.write_rate, new.write_limited, new.separate
        if (old.write_rate, old.write_limited, old.separate) != write_rate:
            reason = f"limit of writes of {who}" if new.write_limited else f"no limit of writes alone for {who}"
            rate, limited, separate = write_rate
            self.recorder.write("slice", index, "WRITE_RATE", reason, rate=rate, limited=limited, separate=separate)
        if old.outstanding != new.outstanding:
            reason = f"outstanding requests of {who}, 0 for any number"
            self.recorder.write("slice", index, "OUTSTANDING", reason, requests=new.outstanding)
        if (old.level, old.halvings) != (new.level, new.halvings):
            halvings = {"halvings": new.halvings} if new.halvings or old.halvings else {}
            reason = f"class of {who}, and pieces of its bursts" if halvings else f"class of {who}"
            self.recorder.write("slice", index, "QOS", reason, **{"class": new.level}, **halvings)

    def _boot(self, initiator: int, old: int, new: int) -> None:
        for register, shift in (("BOOT_LOW", 0), ("BOOT_HIGH", 32)):
            value = new >> shift & 0xFFFFFFFF
            if value != old >> shift & 0xFFFFFFFF:
                reason = f"{self.card.initiators[initiator].name} starts at {new:#x}"
                self.recorder.write("initiator", initiator, register, reason, address=value)

    def _slot(self, target: int, slot: int, owner: int | None) -> None:
        name = self.card.targets[target].name
        reason = f"time slot {slot} of {name} is {'open' if owner is None else 'of ' + self._who(1 << owner)}"
        self.recorder.write(
            "target", target, "SLOT", reason, index=slot, slice=owner or 0, owned=int(owner is not None)
        )

    def _timed(self, target: int, old: int, new: int) -> None:
        if old != new:
            reason = f"{self._who(new) if new else 'nobody'} uses {self.card.targets[target].name} in time slots"
            self.recorder.write("target", target, "TIMED", reason, slices=new)

    def _steer(self, device: int, first: int, width: int, reason: str) -> None:
        name = self.card.pcie.devices[device].name
        self.recorder.write("controller", device, "STEER", f"{name}: {reason}", first=first, width=width)
        self.recorder.compare("controller", device, "STATUS", f"the lane switch took the command for {name}", refused=0)

    def _stage(self, block: str, member: int, register: str, reason: str, field: str, value: int) -> None:
        """Write an argument of a command, unless this transition has left that value there."""
        if self.staged.get((block, member, register)) != value:
            self.recorder.write(block, member, register, reason, **{field: value})
            self.staged[block, member, register] = value

    def _rekey(self, keys: dict[tuple[int, int], int], reason: str, *, scrub: bool) -> None:
        """Rekey granules, in few ranges, all targets at a time. A device's registers follow its hand-over."""
        ranges = [r for r in _ranges(keys) if self.card.targets[r[0]].device is None]
        for group in _rounds(ranges, lambda item: item[0]):
            for target, _, _, _ in group:
                self._until_idle(target)
            for target, first, last, key in group:
                name, zero = self.card.targets[target].name, scrub and self.card.targets[target].kind == "memory"
                text = f"granules {first} to {last} of {name}: {reason}"
                self._stage("target", target, "FIRST", text, "granule", first)
                self._stage("target", target, "LAST", text, "granule", last)
                self.recorder.write("target", target, "REKEY", text, key=key, scrub=int(zero))
            for target, first, last, _ in group:
                name = self.card.targets[target].name
                beats = (last - first + 1) * self.card.fabric.granule // self.card.fabric.data_bytes if scrub else 0
                polls = min(POLLS + POLLS_PER_BEAT * beats, (1 << 32) - 1)
                self.recorder.wait("target", target, "STATUS", f"{name} has changed keys", polls, phase=0)
                self.recorder.compare("target", target, "STATUS", f"{name} has done so", refused=0, failed=0)

    def _until_idle(self, target: int) -> None:
        """After a reset the engines first give every granule to nobody; they refuse commands meanwhile."""
        if target not in self.idle:
            self.idle.add(target)
            name, polls = self.card.targets[target].name, POLLS + self.card.targets[target].granules
            self.recorder.wait("target", target, "STATUS", f"{name} takes commands", polls, phase=0)

    def _fill(self, context: int, entries: dict[int, Entry], reason: str) -> None:
        name = self.card.contexts[context].name
        for first, count, entry in _runs(entries):
            text = f"{name}, window granules {first} to {first + count - 1}: {reason}"
            self._stage("window", 0, "CONTEXT", text, "index", context)
            self._stage("window", 0, "FIRST", text, "granule", first)
            self._stage("window", 0, "COUNT", text, "granules", count)
            self.recorder.write(
                "window", 0, "FILL", text, granule=entry.granule, target=entry.target,
                readable=int(entry.readable), writable=int(entry.writable),
            )  # fmt: skip
            self.recorder.wait("window", 0, "STATUS", f"the window of {name} is filled", POLLS + count, busy=0)

    def _hand_over(self, owners: dict[int, int | None], b: Image) -> None:
        """Give contexts to slices, or to nobody: one of each initiator at a time, all initiators at once."""
        for group in _rounds(list(owners.items()), lambda item: self.card.contexts[item[0]].initiator):
            for context, owner in group:
                self._start_hand_over(context, owner, b)
            for context, _ in group:
                port = self.card.contexts[context].initiator
                name = self.card.contexts[context].name
                self.recorder.wait("initiator", port, "STATUS", f"{name} has changed hands", POLLS, phase=0)
                self.recorder.compare("initiator", port, "STATUS", f"{name} has done so", refused=0)

    def _start_hand_over(self, context: int, owner: int | None, b: Image) -> None:
        found = self.card.contexts[context]
        device = self.card.initiators[found.initiator].device
        reason = f"{found.name} goes to {'nobody' if owner is None else 'slice ' + self.names[owner]}"
        if device is not None:
            target = self.card.pcie.devices[device].target
            self._until_idle(target)
            if owner is not None:
                text = f"key of the registers of {self.card.pcie.devices[device].name}"
                self._stage("initiator", found.initiator, "KEY", text, "key", b.keys[target, 0])
        self.recorder.write(
            "initiator", found.initiator, "HANDOVER", reason,
            slice=owner or 0, assign=int(owner is not None), context=found.number,
        )  # fmt: skip

    def _who(self, slices: int) -> str:
        indices = [index for index in range(slices.bit_length()) if slices >> index & 1]
        return "slice " + ", ".join(self.names.get(index, f"number {index}") for index in indices)


def _ranges(keys: dict[tuple[int, int], int]) -> Iterator[tuple[int, int, int, int]]:
    """(target, first, last, key) of granules in a row that get the same key."""
    run: tuple[int, int, int, int] | None = None
    for (target, granule), key in sorted(keys.items()):
        if run is not None and run[0] == target and run[2] + 1 == granule and run[3] == key:
            run = (target, run[1], granule, key)
        else:
            if run is not None:
                yield run
            run = (target, granule, granule, key)
    if run is not None:
        yield run


def _runs(entries: dict[int, Entry]) -> Iterator[tuple[int, int, Entry]]:
    """(first, count, first entry) of window granules in a row that lead to granules in a row; or all to nowhere."""
    run: tuple[int, int, Entry] | None = None
    for granule, entry in sorted(entries.items()):
        if run is not None and granule == run[0] + run[1]:
            ahead = run[2]._replace(granule=run[2].granule + run[1])
            if entry == ahead or (entry == run[2] and not entry.readable and not entry.writable):
                run = (run[0], run[1] + 1, run[2])
                continue
        if run is not None:
            yield run
        run = (granule, 1, entry)
    if run is not None:
        yield run


def _rounds(items: Iterable[Item], port: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Groups in which each port occurs once; the order for each port is kept."""
    left = list(items)
    while left:
        group: list[Item] = []
        rest: list[Item] = []
        seen: set[int] = set()
        for item in left:
            (rest if port(item) in seen else group).append(item)
            seen.add(port(item))
        yield group
        left = rest
