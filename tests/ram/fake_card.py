"""A model of a card's registers and engines, written from the manifest's text and not from the RAM's code.

It behaves as the hardware does: commands take a few polls, wrong commands are refused, windows hold rubbish after
reset, and it notices writes that the hardware would not expect.
"""

from random import Random
from typing import Any

BUSY_POLLS = 2


class FakeCard:
    """A card after reset; a `ram.Transport`.

    Members
    -------
    keys : dict
        (target, granule) to key; missing is key 0.
    written, residue : set
        (target, granule) of memory that was written since its last scrub: under its present key, or an earlier one.
    rights : dict
        "READ" and "WRITE": list of bitmaps by key.
    windows : list of dict
        Per context: window granule to (target, granule, readable, writable).
    owners : dict
        Context to slice.
    slots : dict
        (target, slot) to the slice that has it.
    idle_writes : list
        Writes to registers other than commands and their arguments that changed nothing.
    fenced_off : list
        Writes that were not the owner's.
    """

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.manifest = manifest
        self.fabric = manifest["fabric"]
        self.registers: dict[tuple[str, int, str], int] = {}
        self.decode: dict[int, tuple[str, int, str]] = {}
        for name, block in manifest["registers"].items():
            for member in range(len(block["members"])):
                for register, described in block["registers"].items():
                    self.decode[block["base"] + member * block["stride"] + described["offset"]] = (
                        name,
                        member,
                        register,
                    )
                    self.registers[name, member, register] = sum(
                        field["reset"] << field["lsb"] for field in described["fields"].values()
                    )
        for word in range(4):
            self.registers["identity", 0, f"HASH{word}"] = int(manifest["hash"][8 * word : 8 * word + 8], 16)
        rng = Random(manifest["hash"])
        contexts = sum(len(port["contexts"]) for port in manifest["initiators"])
        rubbish = range(0, self.fabric["window_granules"], 3)
        self.keys: dict[tuple[int, int], int] = {}
        self.written: set[tuple[int, int]] = set()
        self.residue: set[tuple[int, int]] = set()
        self.windows = [
            {granule: (rng.randrange(2), granule, True, True) for granule in rubbish} for _ in range(contexts)
        ]
        self.owners: dict[int, int] = {}
        self.lanes: dict[int, tuple[int, int]] = {}
        self.slots: dict[tuple[int, int], int] = {}
        self.resets = {n: 0 for n, port in enumerate(manifest["initiators"]) if port["kind"] != "host"}
        self.in_reset = set(self.resets)
        self.busy: dict[tuple[str, int], int] = {("target", n): BUSY_POLLS for n in range(len(manifest["targets"]))}
        self.refused: set[tuple[str, int]] = set()
        self.history: list[tuple[str, int, str, int]] = []
        self.idle_writes: list[tuple[str, int, str, int]] = []
        self.fenced_off: list[tuple[int, str, int, str, int]] = []

    # ------------------------------------------------------------ transport

    async def read(self, address: int) -> int:
        """A register's value; each read of a STATUS brings its engine nearer to the end."""
        name, member, register = self.decode[address % (1 << self.fabric["register_bits"])]
        if register != "STATUS":
            return self.registers[name, member, register]
        fields = self.manifest["registers"][name]["registers"][register]["fields"]
        engine = (name, member)
        left = self.busy.get(engine, 0)
        self.busy[engine] = max(0, left - 1)
        value = 0
        for field in ("phase", "busy"):
            value |= int(left > 0) << fields[field]["lsb"] if field in fields else 0
        if "refused" in fields:
            value |= int(engine in self.refused) << fields["refused"]["lsb"]
        return value

    async def write(self, address: int, value: int) -> None:
        """Write a register, or start an engine. A write under another token than the owner's is lost, as on PCIe."""
        token, address = divmod(address, 1 << self.fabric["register_bits"])
        name, member, register = self.decode[address]
        owner = self.registers["identity", 0, "FENCE"]
        if register == "FENCE":
            allowed = owner <= token == value
        else:
            allowed = token == owner
        if not allowed:
            self.fenced_off.append((token, name, member, register, value))
            return
        self.history.append((name, member, register, value))
        described = self.manifest["registers"][name]["registers"][register]["fields"]
        outside = ~sum(((1 << f["width"]) - 1) << f["lsb"] for f in described.values())
        assert value & outside == 0, f"{name}.{register} written with {value:#x}, which has bits outside its fields"
        fields = {n: value >> f["lsb"] & (1 << f["width"]) - 1 for n, f in described.items()}
        access = {field["access"] for field in described.values()}
        assert access <= {"rw", "wo"}, f"{name}.{register} cannot be written"
        if access == {"wo"}:
            getattr(self, f"_{name}_{register.lower()}")(member, fields)
            return
        arguments = name in ("window", "target") or register == "KEY"
        if self.registers[name, member, register] == value and not arguments:
            self.idle_writes.append((name, member, register, value))
        self.registers[name, member, register] = value

    def _start(self, name: str, member: int, fine: bool) -> bool:
        """Whether an engine takes a command."""
        engine = (name, member)
        taken = fine and not self.busy.get(engine, 0)
        (self.refused.discard if taken else self.refused.add)(engine)
        if taken:
            self.busy[engine] = BUSY_POLLS
        return taken

    # ------------------------------------------------------------ engines

    def _target_rekey(self, member: int, fields: dict[str, int]) -> None:
        target = self.manifest["targets"][member]
        first, last = (self.registers["target", member, name] for name in ("FIRST", "LAST"))
        fine = first <= last < target["keyed"] and target["device"] is None
        fine = fine and (target["kind"] == "memory" or not fields["scrub"])
        if self._start("target", member, fine):
            for granule in range(first, last + 1):
                if fields["scrub"]:
                    self.written.discard((member, granule))
                    self.residue.discard((member, granule))
                self._set_key(member, granule, fields["key"])

    def _target_slot(self, member: int, fields: dict[str, int]) -> None:
        assert fields["index"] < self.manifest["targets"][member]["time_slots"]
        self.slots.pop((member, fields["index"]), None)
        if fields["owned"]:
            self.slots[member, fields["index"]] = fields["slice"]

    def _set_key(self, target: int, granule: int, key: int) -> None:
        if self.keys.get((target, granule), 0) != key and (target, granule) in self.written:
            self.residue.add((target, granule))
        self.keys[target, granule] = key
        if not key:
            del self.keys[target, granule]

    def _initiator_handover(self, member: int, fields: dict[str, int]) -> None:
        port = self.manifest["initiators"][member]
        if not self._start("initiator", member, fields["context"] < len(port["contexts"])):
            return
        context = port["contexts"][fields["context"]]
        self.owners.pop(context, None)
        if member in self.resets:
            self.resets[member] += 1
            self.in_reset.add(member)
        if fields["assign"]:
            self.owners[context] = fields["slice"]
            self.in_reset.discard(member)
        if port["device"] is not None:
            target = self.manifest["pcie"]["devices"][port["device"]]["target"]
            assert not self.busy.get(("target", target), 0), "a hand-over met the sweep after reset"
            key = self.registers["initiator", member, "KEY"] if fields["assign"] else 0
            self._set_key(target, 0, key)

    def _window_fill(self, member: int, fields: dict[str, int]) -> None:
        assert not self.busy.get(("window", 0), 0), "a fill was started while another was running"
        self.busy["window", 0] = BUSY_POLLS
        context, first, count = (self.registers["window", 0, name] for name in ("CONTEXT", "FIRST", "COUNT"))
        assert first + count <= self.fabric["window_granules"]
        for number in range(count):
            entry = (fields["target"], fields["granule"] + number, bool(fields["readable"]), bool(fields["writable"]))
            self.windows[context][first + number] = entry
            if not fields["readable"] and not fields["writable"]:
                del self.windows[context][first + number]

    def _barrier_command(self, member: int, fields: dict[str, int]) -> None:
        assert not self.busy.get(("barrier", 0), 0), "a barrier was started while another was running"
        self.busy["barrier", 0] = BUSY_POLLS

    def _controller_steer(self, member: int, fields: dict[str, int]) -> None:
        device = self.manifest["pcie"]["devices"][member]
        first, width = fields["first"], fields["width"]
        others = [lanes for other, lanes in self.lanes.items() if other != member]
        fine = device["initiator"] in self.in_reset and width in (0, *self.manifest["pcie"]["widths"])
        fine = fine and (not width or (first % width == 0 and first + width <= self.manifest["pcie"]["lanes"]))
        fine = fine and all(first + width <= f or f + w <= first for f, w in others)
        if fine:
            self.refused.discard(("controller", member))
            self.lanes[member] = (first, width)
            if not width:
                del self.lanes[member]
        else:
            self.refused.add(("controller", member))

    # ------------------------------------------------------------ what a slice can do

    def readers(self, target: int, granule: int) -> int:
        """Bitmap of the slices that the egress lets read."""
        return self.registers["key", self.keys.get((target, granule), 0), "READ"]

    def writers(self, target: int, granule: int) -> int:
        """Bitmap of the slices that the egress lets write."""
        return self.registers["key", self.keys.get((target, granule), 0), "WRITE"]

    def use(self) -> None:
        """Every context writes everywhere it can: what it may write is dirty from now on."""
        for context, owner in self.owners.items():
            for target, granule, _, writable in self.windows[context].values():
                memory = self.manifest["targets"][target]["kind"] == "memory"
                if writable and memory and self.writers(target, granule) >> owner & 1:
                    self.written.add((target, granule))
