"""First half of an ingress: whose request is it, where does it go, and is it allowed to leave?"""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus.buffer import Skid
from ..plan.blocks import FAULT_KINDS
from ..plan.plan import Initiator, Plan, bits_for
from . import layouts
from .burst_check import BurstCheck
from .ports import fill_members, owner_members

NO_SLICE, WINDOW, BURST = (FAULT_KINDS.index(kind) for kind in ("no_slice", "window", "burst"))


def address_layout(plan: Plan) -> data.StructLayout:
    """An AXI address beat of an initiator port."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "addr": plan.address_width,
            "len": 8,
            "size": 3,
            "burst": 2,
            "lock": 1,
            "cache": 4,
            "prot": 3,
            "user": plan.user_bits,
        }
    )


def routed_layout(plan: Plan) -> data.StructLayout:
    """A request with its destination; `destination` is zero when the request is denied for the reason `kind`."""
    return data.StructLayout(
        {
            "request": layouts.request(plan),
            "destination": len(plan.targets),
            "kind": 3,
            "owned": 1,
            "class": plan.class_bits,
            "origin": plan.address_width,
        }
    )


class Translate(wiring.Component):
    """Context to slice, window look-up, burst check. One each for the reads and the writes of an initiator.

    Latency: 2 cycles; a request per cycle.

    Members
    -------
    i : stream of an AXI address beat
    o : stream of a routed request
    clear : In(1)
        Drops what has been accepted but has no slice yet: the initiator is in reset.
    now : In(16)
        Time stamp given to the request when it is accepted.
    slice{n}, owned{n} : In
        Owner of context n.
    class{s} : In
        Class of slice s.
    fill_enable, fill_context, fill_granule, fill_entry : In
        Write port of the window.
    tagged, tagged_context : Out
        A request that a hand-over must wait for got its slice in this cycle: on a host port those of an owned context
        (denied ones may go on for ever there), on a port that is isolated in the hand-over all of them.
    """

    def __init__(self, plan: Plan, initiator: Initiator, *, write: bool) -> None:
        self.plan, self.initiator, self.write = plan, initiator, write
        super().__init__(
            {
                "i": In(stream.Signature(address_layout(plan))),
                "o": Out(stream.Signature(routed_layout(plan))),
                "clear": In(1),
                "now": In(layouts.BIRTH_BITS),
                **owner_members(plan, initiator),
                **fill_members(plan),
                "tagged": Out(1),
                "tagged_context": Out(plan.user_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, contexts = self.plan, len(self.initiator.contexts)
        targets = len(plan.targets)
        context_bits = bits_for(contexts)

        # The time stamp is taken at the port, so that the latency counters see the wait behind it as well.
        stamped = data.StructLayout({"address": address_layout(plan), "birth": layouts.BIRTH_BITS})
        m.submodules.skid = skid = Skid(stamped)
        m.d.comb += [
            skid.i.valid.eq(self.i.valid),
            self.i.ready.eq(skid.i.ready),
            skid.i.payload.address.eq(self.i.payload),
            skid.i.payload.birth.eq(self.now),
            skid.clear.eq(self.clear),
        ]
        arriving = skid.o.payload.address

        # An entry holds the one-hot target already masked by permission and connectivity: it is the request vector.
        entry_layout = data.StructLayout({"target": targets, "granule": plan.physical_granule_bits})
        depth = plan.window_granules << (context_bits if contexts > 1 else 0)
        m.submodules.window = window = Memory(shape=entry_layout, depth=max(2, depth), init=[])
        fill, lookup = window.write_port(), window.read_port()
        permitted = self.fill_entry.writable if self.write else self.fill_entry.readable
        reachable = sum(1 << target for target in self.initiator.targets)
        index = Signal(plan.window_bits)

        def address(context: Signal, granule: Signal) -> Cat:
            return Cat(
                granule[: (plan.window_granules - 1).bit_length()], context[:context_bits] if contexts > 1 else ()
            )

        m.d.comb += [
            fill.en.eq(self.fill_enable),
            fill.addr.eq(address(self.fill_context, self.fill_granule)),
            fill.data.target.eq(self.fill_entry.target & reachable & permitted.replicate(targets)),
            fill.data.granule.eq(self.fill_entry.granule),
            index.eq(arriving.addr >> plan.granule_bits),
            lookup.addr.eq(address(arriving.user, index)),
        ]

        # Stage 1: the request has its slice, the window's answer is arriving.
        valid1 = Signal()
        address1 = Signal(address_layout(plan))
        slice1 = Signal(plan.slice_bits)
        owned1 = Signal()
        inside1 = Signal()
        birth1 = Signal(layouts.BIRTH_BITS)
        move1 = Signal()
        move2 = Signal()
        context = Signal(plan.user_bits)
        known = Signal()
        if contexts > 1:
            m.d.comb += [context.eq(arriving.user), known.eq(arriving.user < contexts)]
        else:
            m.d.comb += known.eq(1)  # AxUSER of a port without contexts is not looked at: context stays 0.
        owned = Signal()
        m.d.comb += [
            owned.eq(known & Array(getattr(self, f"owned{n}") for n in range(contexts))[context]),
            self.tagged.eq(skid.o.valid & move1 & (owned | self.initiator.has_reset) & ~self.clear),
            self.tagged_context.eq(context),
            skid.o.ready.eq(move1),
            lookup.en.eq(move1),
        ]
        with m.If(move1):
            m.d.sync += [
                valid1.eq(skid.o.valid & ~self.clear),
                address1.eq(arriving),
                address1.user.eq(context),
                slice1.eq(Array(getattr(self, f"slice{n}") for n in range(contexts))[context]),
                owned1.eq(owned),
                inside1.eq((arriving.addr >> plan.granule_bits) < plan.window_granules),
                birth1.eq(skid.o.payload.birth),
            ]

        # Stage 2: the request as the switch takes it.
        m.submodules.burst_check = check = BurstCheck(plan)
        m.d.comb += [
            check.address.eq(address1.addr[:12]),
            check.length.eq(address1.len),
            check.size.eq(address1.size),
            check.burst.eq(address1.burst),
        ]
        kind = Signal(3)
        with m.If(~owned1):
            m.d.comb += kind.eq(NO_SLICE)
        with m.Elif(~check.legal):
            m.d.comb += kind.eq(BURST)
        with m.Elif(~inside1 | ~lookup.data.target.any()):
            m.d.comb += kind.eq(WINDOW)
        valid2 = Signal()
        routed = Signal(routed_layout(plan))
        m.d.comb += [
            move2.eq(~valid2 | self.o.ready),
            move1.eq(~valid1 | move2),
            self.o.valid.eq(valid2),
            self.o.payload.eq(routed),
        ]
        with m.If(move2):
            request = routed.request
            m.d.sync += [
                valid2.eq(valid1),
                routed.destination.eq(lookup.data.target & (kind == 0).replicate(targets)),
                routed.kind.eq(kind),
                routed.owned.eq(owned1),
                routed["class"].eq(Array(getattr(self, f"class{s}") for s in range(plan.slices))[slice1]),
                routed.origin.eq(address1.addr),
                request.address.eq(Cat(address1.addr[: plan.granule_bits], lookup.data.granule)),
                request.length.eq(address1.len),
                request.size.eq(address1.size),
                request.burst.eq(address1.burst),
                request.lock.eq(address1.lock),
                request.cache.eq(address1.cache),
                request.protection.eq(address1.prot),
                request.id.eq(address1.id),
                request.context.eq(address1.user),
                request.slice.eq(slice1),
                request.birth.eq(birth1),
            ]
        return m
