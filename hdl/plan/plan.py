"""What the rest of the generator looks up: frozen dataclasses, derived values computed once."""

from dataclasses import dataclass, replace
from functools import cached_property

from .edge import AS_FABRIC, Edge
from .network.graph import Network

KEY_NOBODY = 0
"""The key on which no slice ever has a right; every granule has it after reset."""

SCRUB_BEATS = 16
"""Beats of one scrub burst. A request that meets a scrub waits for at most one such burst."""

PATH_CYCLES = {"basic": 5, "strict": 6}
"""What the fabric adds to a read or write for which nobody waits, there and back, by isolation."""

SLOT_CYCLES = 32
"""Cycles of a time slot. A request may take 16 beats, and half of the slot is for when it may start."""

PATIENCE_LEAST = 15
"""Grants in a row by which a higher class may pass over a waiting lower one; the next grant ignores classes."""

PATIENCE = PATIENCE_LEAST + 2
"""As many at most: what is counted takes effect two cycles late, and there may be a grant in each."""

FRACTION_BITS = 8
"""Budgets are counted in 2**-FRACTION_BITS beats."""

AHEAD = 64
"""Beats of reads that a target is asked for ahead of those it has given, unless the card says otherwise."""

SEEN = 6
"""Cycles after which a request that leaves its ingress is looked at where its slice's outstanding ones are limited."""

NOBODY = -1
"""In place of a number where it must not matter which port it is."""

LANE_WIDTHS = (1, 2, 4, 8, 16)
"""Link widths of PCI Express that the lane switch offers (PCI Express Base Specification, section 4.2: Link Widths)."""


def bits_for(values: int) -> int:
    """Bits of an index that takes `values` values; at least one, so that no signal has width 0."""
    return max(1, (values - 1).bit_length())


@dataclass(frozen=True)
class Context:
    """One VM's traffic on an initiator port.

    Members
    -------
    index : int
        Position in the card's list of all contexts.
    initiator : int
        Port that it uses.
    number : int
        The value of AxUSER that names it on that port.
    """

    index: int
    initiator: int
    number: int


@dataclass(frozen=True)
class Initiator:
    """A port on which requests enter; `device` is the index of its PCIe device, or None; `edge` is how it looks."""

    index: int
    name: str
    kind: str
    contexts: tuple[Context, ...]
    targets: tuple[int, ...]
    device: int | None = None
    edge: Edge = AS_FABRIC

    @property
    def has_reset(self) -> bool:
        """Whether a hand-over resets what is attached; a host cannot be reset."""
        return self.kind != "host"

    @cached_property
    def alike(self) -> "Initiator":
        """Without name and number: the same for all for which the same is built, so it is built once."""
        contexts = tuple(replace(context, index=NOBODY, initiator=NOBODY) for context in self.contexts)
        device = None if self.device is None else NOBODY
        return replace(self, index=NOBODY, name="", contexts=contexts, device=device)


@dataclass(frozen=True)
class Target:
    """A port on which requests leave.

    `keyed` counts its key table entries (1 unless it is memory); `ahead` the beats of reads that it is asked for ahead
    of those it has given; `timeout` the cycles after which it is cut off when it does not answer, 0 for never;
    `time_slots` the slots of its table, 0 for none; `edge` is how the port looks.
    """

    index: int
    name: str
    kind: str
    size: int
    granules: int
    keyed: int
    address_bits: int
    initiators: tuple[int, ...]
    device: int | None = None
    ahead: int = AHEAD
    timeout: int = 0
    edge: Edge = AS_FABRIC
    time_slots: int = 0

    @cached_property
    def alike(self) -> "Target":
        """Without name and number, as of an initiator."""
        return replace(self, index=NOBODY, name="", device=None if self.device is None else NOBODY)


@dataclass(frozen=True)
class Device:
    """A PCIe device: its DMA initiator, its register target, and the widest link of its controller."""

    index: int
    name: str
    initiator: int
    target: int
    lanes: int


@dataclass(frozen=True)
class Plan:
    """A complete, checked card. Sizes are in bytes, widths in bits."""

    card: str
    description: str
    topology: str
    data_width: int
    address_width: int
    id_width: int
    slices: int
    keys: int
    classes: int
    granule: int
    window_granules: int
    outstanding: int
    ordering: str
    isolation: str
    chunk: int
    budgets: str
    slice_outstanding: bool
    load_unit: int | None
    fault_log: int
    clock: int
    lanes: int
    initiators: tuple[Initiator, ...]
    targets: tuple[Target, ...]
    devices: tuple[Device, ...]
    network: Network | None = None

    @cached_property
    def contexts(self) -> tuple[Context, ...]:
        """All contexts of all initiators, in order."""
        return tuple(context for initiator in self.initiators for context in initiator.contexts)

    @property
    def data_bytes(self) -> int:
        """Bytes of one beat."""
        return self.data_width // 8

    @property
    def size_max(self) -> int:
        """Largest legal AxSIZE."""
        return self.data_bytes.bit_length() - 1

    @property
    def granule_bits(self) -> int:
        """Address bits inside a granule."""
        return self.granule.bit_length() - 1

    @property
    def window_bits(self) -> int:
        """Bits of a window granule's number."""
        return bits_for(self.window_granules)

    @property
    def slice_bits(self) -> int:
        """Bits of a slice's number."""
        return bits_for(self.slices)

    @property
    def key_bits(self) -> int:
        """Bits of a key."""
        return bits_for(self.keys)

    @property
    def class_bits(self) -> int:
        """Bits of a QoS class."""
        return bits_for(self.classes)

    @property
    def cuts_off(self) -> bool:
        """Whether there is a target that can be cut off."""
        return any(target.timeout for target in self.targets)

    @property
    def slotted(self) -> bool:
        """Whether there is a target with time slots."""
        return any(target.time_slots for target in self.targets)

    @property
    def source_bits(self) -> int:
        """Bits of who asks: an initiator's index, or the number of initiators for the scrubber."""
        return bits_for(len(self.initiators) + 1)

    @property
    def strict(self) -> bool:
        """Whether nothing enters the fabric unless its destination has promised to take it."""
        return self.isolation == "strict"

    @property
    def piece_bits(self) -> int:
        """Bits of AxLEN of a piece of `chunk` beats: 0 if no burst is split, or every one into single beats."""
        return (self.chunk - 1).bit_length() if self.strict else 0

    @property
    def halving_bits(self) -> int:
        """Bits of how often a slice may halve the chunk."""
        return self.piece_bits.bit_length()

    @property
    def separate_budgets(self) -> bool:
        """Whether a slice can have a budget of its own for writes."""
        return self.budgets == "separate"

    @property
    def slot_bits(self) -> int:
        """Bits of a slot, the place that a request of one port and plane has in its reorder buffer."""
        return bits_for(self.outstanding)

    @property
    def target_id_bits(self) -> int:
        """ID bits at the target ports: the source, and above it the slot if the fabric has slots."""
        return self.source_bits + (self.slot_bits if self.strict else 0)

    @property
    def ports(self) -> tuple[Initiator | Target, ...]:
        """All AXI ports of the fabric, initiators first."""
        return (*self.initiators, *self.targets)

    def fabric_edge(self, port: Initiator | Target) -> Edge:
        """What the fabric itself has at a port."""
        if isinstance(port, Initiator):
            return Edge("axi4", self.data_width, self.id_width, self.outstanding)
        return Edge("axi4", self.data_width, self.target_id_bits)

    def edge(self, port: Initiator | Target) -> Edge:
        """What a port has at the edge of the card, nothing left open. Adapters make up for what differs."""
        return port.edge.on(self.fabric_edge(port))

    def differs(self, port: Initiator | Target) -> bool:
        """Whether a port is not what the fabric has, so that it needs adapters."""
        return self.edge(port) != self.fabric_edge(port)

    @property
    def user_bits(self) -> int:
        """AxUSER bits of the initiator ports; the widest host decides."""
        return bits_for(max(len(initiator.contexts) for initiator in self.initiators))

    @property
    def physical_granule_bits(self) -> int:
        """Bits of a granule's number inside the largest target."""
        return bits_for(max(target.granules for target in self.targets))

    @property
    def physical_bits(self) -> int:
        """Address bits inside the largest target."""
        return self.granule_bits + self.physical_granule_bits

    @property
    def meter_period(self) -> int:
        """Cycles in which the meter visits every context and every slice once."""
        return len(self.contexts) + self.slices

    @property
    def reset_cycles(self) -> int:
        """Shortest reset of a core or device in a hand-over; the meter has settled its accounts by then."""
        return max(16, 2 * self.meter_period)

    @cached_property
    def port_names(self) -> tuple[str, ...]:
        """Names of all AXI ports of the fabric, initiators first."""
        initiators = tuple(port.name for port in self.initiators)
        return initiators + tuple(port.name for port in self.targets)
