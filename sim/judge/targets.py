"""What happened at the targets, in order of time: nothing after its revocation, no residue, memory is memory."""

from collections.abc import Iterator
from typing import Any

from .bursts import beat_addresses, legal
from .memory import Author, Mirror
from .pieces import Asked
from .reference import REVOKED, Rekey
from .scoreboard import Result
from .transactions import FOREVER, Request

REQUEST, WRITE_BEAT, READ_BEAT = range(3)


class _Target:
    """The sweep over one target's events."""

    def __init__(self, manifest: dict[str, Any], result: Result, index: int) -> None:
        self.result, self.reference, self.findings = result, result.reference, result.findings
        self.index, self.port = index, manifest["targets"][index]
        self.granule: int = manifest["fabric"]["granule"]
        self.data_bytes: int = manifest["fabric"]["data_width"] // 8
        self.scrubber = len(manifest["initiators"])
        self.is_memory = self.port["kind"] == "memory"
        self.mirror = Mirror(self.data_bytes)
        self.asked: dict[int, Asked] = {id(one.access): one for one in result.asked if one.access is not None}
        self.rekeys = [rekey for rekey in self.reference.rekeys if rekey.target == index]
        self.drained = [rekey.drained for rekey in self.rekeys]
        self.covered = 0
        self.writing: tuple[Request | None, Author] = None, (0, 0, 0)

    def steps(self) -> Iterator[tuple[int, int, int, Request]]:
        """Cycle, kind, number of the beat, access; in order of cycle."""
        steps = []
        for access in self.result.accesses[self.index]:
            steps.append((access.cycle, REQUEST, 0, access))
            if self.is_memory and access.write:
                steps += [(cycle, WRITE_BEAT, beat, access) for beat, cycle in enumerate(access.beat_cycles)]
            elif self.is_memory:
                steps += [(cycle, READ_BEAT, beat, access) for beat, cycle in enumerate(access.response_cycles)]
        steps.sort(key=lambda step: step[:3])
        return iter(steps)

    def sweep(self) -> None:
        """Check everything."""
        beats: dict[int, list[tuple[int, int]]] = {}
        for cycle, kind, number, access in self.steps():
            self.cover(cycle)
            if kind == REQUEST:
                self.request(access)
                continue
            if id(access) not in beats:
                right = legal(access.address, access.length, access.size, access.burst, self.data_bytes)
                addresses = beat_addresses(access.address, access.length, access.size, access.burst) if right else []
                beats[id(access)] = addresses
            if number >= len(beats[id(access)]):
                continue
            begin, end = beats[id(access)][number]
            if kind == WRITE_BEAT:
                self.write_beat(cycle, access, number, begin, end)
            else:
                self.read_beat(cycle, access, number, begin, end)
            if number == access.length:
                del beats[id(access)]
        self.cover(FOREVER)

    # ------------------------------------------------------------ revocation

    def over(self, access: Request, cycle: int) -> Iterator[tuple[int, Rekey]]:
        """Rekeys of the access's granule that had begun by then."""
        granule = access.address // self.granule if self.is_memory else 0
        for number, rekey in enumerate(self.rekeys):
            if rekey.begin <= cycle and rekey.first <= granule <= rekey.last:
                yield number, rekey

    def request(self, access: Request) -> None:
        """A request at the target: the scrubber's, or one that has passed the check."""
        if access.id == self.scrubber and access.write:
            over = self.over(access, access.cycle)
            commanded = [number for number, rekey in over if rekey.scrub and access.cycle <= rekey.end]
            if not commanded:
                text = f"scrub of 0x{access.address:x} in {self.port['name']}, which no rekey commands"
                self.findings.add("isolation", access.cycle, text)
            for number in commanded:
                self.drained[number] = min(self.drained[number], access.cycle)
            return
        asked = self.asked.get(id(access))
        if asked is None:
            return
        granule = access.address // self.granule
        since = max([asked.request.cycle, *(begin for begin, end in self.reference.barriers if end < access.cycle)])
        for number, rekey in self.over(access, access.cycle):
            old = self.reference.keys(self.index, granule, rekey.begin - 1, rekey.begin - 1)
            new_only = self.allowed([rekey.key], access, access.cycle) and not self.allowed(
                old, access, rekey.begin - 1
            )
            if new_only and access.cycle <= rekey.end:
                # A new owner's access shows that the old one's have all come out.
                self.drained[number] = min(self.drained[number], access.cycle)
            if self.drained[number] < access.cycle:
                since = max(since, self.drained[number] + 1, rekey.settled + 1)
        keys = self.reference.keys(self.index, granule, since, access.cycle)
        if not self.allowed(keys, access, since):
            text = f"slice {access.user} still gets to granule {granule} of {self.port['name']}, which it has lost"
            self.findings.add("revocation", access.cycle, text)
        context = self.reference.context(asked.initiator, asked.request.user)
        for handover in self.reference.handovers:
            if handover.context == context and asked.request.cycle < handover.begin and handover.end < access.cycle:
                text = f"the {asked.request} outlived the hand-over of its context"
                self.findings.add("revocation", access.cycle, text)

    def allowed(self, keys: list[int], access: Request, since: int) -> bool:
        """Whether the access's slice may have had the right on one of the keys since then."""
        first, last = min(since, access.cycle), access.cycle
        return any(True in self.reference.may(key, access.user, access.write, first, last) for key in keys)

    # ------------------------------------------------------------ contents

    def tenure(self, access: Request, cycle: int) -> int:
        """Number, from 1 on, of the last rekey of the granule whose drain had ended by then; 0 before the first."""
        return max((number + 1 for number, _ in self.over(access, cycle) if self.drained[number] <= cycle), default=0)

    def sharers(self, access: Request, cycle: int) -> int:
        """Slices with a right on the granule's key, as a bitmap."""
        result = 0
        for key in self.reference.keys(self.index, access.address // self.granule, cycle, cycle):
            if key != REVOKED:
                for write in (False, True):
                    for rights in self.reference.rights(key, write, cycle, cycle):
                        result |= rights
        return result

    def write_beat(self, cycle: int, access: Request, number: int, begin: int, end: int) -> None:
        data, strobe = access.beats[number]
        author: Author | None = None
        if access.id != self.scrubber:
            if self.writing[0] is not access:
                self.writing = access, (access.user, self.sharers(access, cycle), self.tenure(access, cycle))
            author = self.writing[1]
        elif data or strobe != (1 << self.data_bytes) - 1:
            self.findings.add("residue", cycle, f"a scrub of {self.port['name']} does not write zeros everywhere")
        self.mirror.write(begin, data, strobe, author, access.end)

    def read_beat(self, cycle: int, access: Request, number: int, begin: int, end: int) -> None:
        if access.responses[number] & 2:
            return
        wrong = self.mirror.read(begin, end, access.data[number], access.cycle)
        where = f"0x{begin:x} in {self.port['name']}"
        if wrong:
            text = f"slice {access.user} reads other data at {where} than was written there"
            self.findings.add("memory", cycle, text)
            return
        for author, shared, _ in self.mirror.authors(begin, end):
            if author == access.user or shared >> access.user & 1:
                continue
            if not self.sharers(access, cycle) >> author & 1:
                self.findings.add("residue", cycle, f"slice {access.user} reads at {where} what slice {author} wrote")

    def cover(self, cycle: int) -> None:
        """When a rekey with scrub has ended, everything in its range is zero or was written since."""
        while self.covered < len(self.rekeys) and self.rekeys[self.covered].end < min(cycle, FOREVER):
            rekey = self.rekeys[self.covered]
            self.covered += 1
            if not rekey.scrub or rekey.failed:
                continue
            begin, end = rekey.first * self.granule, (rekey.last + 1) * self.granule

            place = self.mirror.unscrubbed(begin, end, self.covered)
            if place is not None:
                text = f"the rekey of {self.port['name']} from cycle {rekey.begin} left 0x{place:x} unscrubbed"
                self.findings.add("residue", rekey.end, text)


def check_targets(manifest: dict[str, Any], result: Result) -> None:
    """Sweep over every target of a run."""
    for index in range(len(manifest["targets"])):
        _Target(manifest, result, index).sweep()
