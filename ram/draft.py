"""The next state in the making: resources are taken and given back here, one by one, or the whole draft is dropped."""

from . import allocator
from .definition import PcieDefinition
from .errors import Exhausted, Invalid, Location
from .inventory import Attachment, Inventory, Mapping, Region, Slice
from .manifest import Card
from .units import format_bytes


class Draft:
    """A changeable copy of an inventory.

    Methods raise `Invalid` or `Exhausted` with the reason; a draft that raised is thrown away, so what it had already
    done does not count.

    Members
    -------
    after : Inventory
        The state so far.
    """

    def __init__(self, card: Card, before: Inventory) -> None:
        self.card, self.before, self.after = card, before, before
        self.since = (before.generation + 1) % (1 << 32)

    # ------------------------------------------------------------ slices

    def get(self, name: str) -> Slice:
        """The slice of that name."""
        found = self.after.slice(name)
        if found is None:
            known = ", ".join(owner.name for owner in self.after.slices) or "none"
            raise Invalid(f"there is no slice {name!r} (slices: {known}); create it by applying a slice definition")
        return found

    def put(self, name: str, **update: object) -> None:
        """Change members of a slice."""
        changed = self.get(name).model_copy(update=update)
        slices = tuple(changed if owner.name == name else owner for owner in self.after.slices)
        self.after = self.after.model_copy(update={"slices": slices})

    def create(self, name: str, tenant: str) -> None:
        """A slice that owns nothing but its private key."""
        # A number or key that was in use before this change may still be known to a granule or context while the
        # change is under way, so it is not given to somebody else in the same change.
        taken = {owner.index for owner in (*self.before.slices, *self.after.slices)}
        index = next((number for number in range(self.card.fabric.slices) if number not in taken), None)
        if index is None:
            raise Exhausted(f"all {self.card.fabric.slices} slices of the card are in use; release one", ("slice",))
        created = Slice(name=name, tenant=tenant, index=index, private_key=self.fresh_key(("slice",)))
        self.after = self.after.model_copy(update={"slices": (*self.after.slices, created)})

    def remove(self, name: str) -> None:
        """A slice goes with all that it owns; what it was promised by others waits for its return."""
        self.get(name)
        slices = tuple(owner for owner in self.after.slices if owner.name != name)
        self.after = self.after.model_copy(update={"slices": slices})
        for owner in slices:
            self.put(owner.name, regions=tuple(_withdraw(region, name) for region in owner.regions))

    def fresh_key(self, location: Location = ()) -> int:
        """A key that nobody has now and nobody had before this change."""
        taken = {self.card.fabric.key_nobody}
        for owner in (*self.before.slices, *self.after.slices):
            taken |= {owner.private_key, *owner.spare_keys, *(region.key for region in owner.regions)}
        key = next((number for number in range(self.card.fabric.keys) if number not in taken), None)
        if key is None:
            number = self.card.fabric.keys - 1
            raise Exhausted(f"all {number} keys of the card are in use; share less or release a slice", location)
        return key

    def set_spare_keys(self, name: str, number: int, location: Location = ()) -> None:
        """Let a slice have that many keys in reserve."""
        while len(spare := self.get(name).spare_keys) < number:
            self.put(name, spare_keys=(*spare, self.fresh_key(location)))
        self.put(name, spare_keys=spare[:number])

    # ------------------------------------------------------------ contexts, cores, devices

    def free_ports(self, kind: str) -> list[str]:
        """Names of the contexts of a kind that nobody owns."""
        taken = {port for owner in self.after.slices for port in self.after.ports(self.card, owner.name)}
        return [name for name in self.card.names(kind) if name not in taken]

    def add_port(self, name: str, kind: str, port: str, location: Location = ()) -> None:
        """Give the slice a context of a host, a core, or a device."""
        member = {"host": "contexts", "core": "cores", "device": "devices"}[kind]
        known = self.card.names(kind)
        if port not in known:
            raise Invalid(f"{port!r} is not one of the card's {member} ({', '.join(known) or 'it has none'})", location)
        if port not in self.free_ports(kind):
            owner = next(o.name for o in self.after.slices if port in getattr(o, member))
            free = ", ".join(self.free_ports(kind)) or "none"
            raise Exhausted(f"{port!r} belongs to slice {owner!r}; free: {free}", location)
        self.put(name, **{member: (*getattr(self.get(name), member), port)})

    def add_cores(self, name: str, number: int, location: Location = ()) -> None:
        """Give the slice any `number` cores."""
        free = self.free_ports("core")
        if number > len(self.card.names("core")):
            raise Invalid(f"{number} cores on a card with {len(self.card.names('core'))}", location)
        if number > len(free):
            raise Exhausted(f"{number} more cores are asked for, {len(free)} are free", location)
        for core in free[:number]:
            self.add_port(name, "core", core, location)

    # ------------------------------------------------------------ windows

    def hole(self, name: str, granules: int, wanted: int | None, what: str, location: Location = ()) -> int:
        """Window granule for something new: the one that is wanted, or the first gap."""
        size = self.card.fabric.window_granules
        spans = self.after.spans(self.card, name)
        taken = [(first, count) for first, count, _ in spans]
        room = format_bytes(size * self.card.fabric.granule)
        if wanted is None:
            found = allocator.first_hole(taken, size, granules)
            if found is None:
                gap = format_bytes(granules * self.card.fabric.granule)
                raise Exhausted(f"the window of slice {name!r} ({room}) has no gap of {gap} for {what}", location)
            return found
        if wanted + granules > size:
            raise Invalid(
                f"{what} would end beyond the window of slice {name!r} ({room}); choose a lower place", location
            )
        end = wanted + granules
        clash = next((owner for first, count, owner in spans if first < end and wanted < first + count), None)
        if clash is not None:
            raise Invalid(
                f"{what} would overlap {clash!r} in the window of slice {name!r}; choose another place", location
            )
        return wanted

    def granules(self, size: int, what: str, location: Location = ()) -> int:
        """A size or address in granules."""
        granule = self.card.fabric.granule
        if size % granule:
            right = format_bytes((size + granule - 1) // granule * granule)
            raise Invalid(
                f"{what} {format_bytes(size)} is not a whole number of granules of {format_bytes(granule)}; "
                f"{right} would be", location,
            )  # fmt: skip
        return size // granule

    # ------------------------------------------------------------ targets that are not memory

    def add_peripheral(self, name: str, target: str, location: Location = ()) -> None:
        """Give the slice a peripheral or register target that is not a PCIe device's."""
        known = [port.name for port in self.card.targets if port.kind != "memory" and port.device is None]
        if target not in known:
            names = ", ".join(known) or "it has none"
            raise Invalid(f"{target!r} is not one of the card's peripherals ({names})", location)
        for owner in self.after.slices:
            if target in [mapping.target for mapping in owner.peripherals]:
                raise Exhausted(f"{target!r} belongs to slice {owner.name!r}", location)
        window = self.hole(name, self.card.targets[self.card.target[target]].granules, None, target, location)
        self.put(name, peripherals=(*self.get(name).peripherals, Mapping(target=target, window=window)))

    def attach(self, name: str, wanted: PcieDefinition, location: Location = ()) -> None:
        """Give the slice a PCIe device and lanes for it."""
        pcie = self.card.pcie
        if not pcie.devices:
            raise Invalid("the card has no PCIe devices", location)
        if wanted.lanes not in pcie.widths or wanted.lanes > pcie.lanes:
            widths = ", ".join(str(width) for width in pcie.widths if width <= pcie.lanes)
            raise Invalid(f"a link of {wanted.lanes} lanes; this card can have {widths}", (*location, "lanes"))
        if wanted.device is not None and wanted.device not in self.card.device:
            raise Invalid(
                f"{wanted.device!r} is not one of the card's PCIe devices ({', '.join(self.card.device)})",
                (*location, "device"),
            )
        owners = {attachment.device: owner.name for owner in self.after.slices for attachment in owner.attachments}
        if wanted.device in owners:
            raise Exhausted(f"{wanted.device!r} belongs to slice {owners[wanted.device]!r}", (*location, "device"))
        candidates = [device for device in pcie.devices if wanted.device in (None, device.name)]
        wide = [device for device in candidates if device.lanes >= wanted.lanes]
        if not wide:
            most = max(device.lanes for device in candidates)
            raise Invalid(f"a link of {wanted.lanes} lanes, the controller has at most {most}", (*location, "lanes"))
        free = [device for device in wide if device.name not in owners]
        if not free:
            raise Exhausted(f"no free PCIe device has {wanted.lanes} lanes", location)
        device = min(free, key=lambda found: found.lanes)  # keeps the wider controllers for those who need them
        first = self._lanes(wanted, location)
        window = self.hole(name, self.card.targets[device.target].granules, None, device.name, location)
        attachment = Attachment(device=device.name, first_lane=first, lanes=wanted.lanes, window=window)
        self.put(name, attachments=(*self.get(name).attachments, attachment))

    def _lanes(self, wanted: PcieDefinition, location: Location) -> int:
        taken = [(a.first_lane, a.lanes) for owner in self.after.slices for a in owner.attachments]
        width, lanes = wanted.lanes, self.card.pcie.lanes
        if wanted.first_lane is None:
            first = allocator.aligned_lanes(taken, lanes, width)
            if first is None:
                free = lanes - sum(count for _, count in taken)
                raise Exhausted(
                    f"no {width} lanes in a row are free from a multiple of {width}; {free} of {lanes} are free",
                    location,
                )
            return first
        if wanted.first_lane % width or wanted.first_lane + width > lanes:
            raise Invalid(
                f"{width} lanes cannot begin at {wanted.first_lane}; give a multiple of {width} up to {lanes - width}",
                (*location, "first_lane"),
            )
        if not allocator.is_free(taken, wanted.first_lane, width):
            raise Exhausted(f"lanes from {wanted.first_lane} are in use", (*location, "first_lane"))
        return wanted.first_lane

    def detach(self, name: str, device: str) -> None:
        """Take a PCIe device and its lanes away."""
        self.put(name, attachments=tuple(a for a in self.get(name).attachments if a.device != device))


def _withdraw(region: Region, borrower: str) -> Region:
    if region.shares is None:
        return region
    shares = tuple(s.model_copy(update={"window": None}) if s.slice == borrower else s for s in region.shares)
    return region.model_copy(update={"shares": shares})
