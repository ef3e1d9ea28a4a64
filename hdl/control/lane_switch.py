"""The lane switch: steers the card's PCIe lanes to the controllers of its devices."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from ..plan.plan import LANE_WIDTHS, Device, Plan, bits_for

LANE_BITS = 36
"""One lane in one direction as the PIPE interface has it: 32 bits of data and 4 that mark control symbols."""
WIDTH_BITS = 5


class LaneSwitch(wiring.Component):
    """Connects each controller to a run of physical lanes; its lane 0 is the first of the run.

    A command is carried out if its device is in reset, the width is 0 or one of PCIe's (:data:`LANE_WIDTHS`) that the
    controller has, the first lane is a multiple of the width, the run ends within the card's lanes, and no lane of it
    belongs to another controller. Otherwise it is refused and changes nothing. Width 0 gives all lanes back. Of two
    commands in one cycle that of the lower device counts, the other is refused.

    A lane that belongs to nobody transmits zeros, and a lane that a controller does not have receives zeros.

    Latency: 1 cycle in each direction. A command is in the status in the next cycle, and the words of the
    cycle after that are the first to go its way.

    Members
    -------
    steer{d} : In(1)
        Commands the run `first{d}`, `width{d}` for device d.
    first{d} : In
        First lane.
    width{d} : In(5)
        Number of lanes.
    in_reset{d} : In(1)
        The device is held in reset.
    status_first{d}, status_width{d} : Out
        The run that the controller has.
    status_refused{d} : Out(1)
        The device's last command was refused.
    lane_rx : In(36 * lanes), lane_tx : Out(36 * lanes)
        Physical lanes.
    rx{d} : Out(36 * lanes of the device), tx{d} : In(36 * lanes of the device)
        The controller's lanes.

    Raises
    ------
    ValueError
        The card has no PCIe lanes.
    """

    def __init__(self, plan: Plan) -> None:
        if not plan.lanes:
            raise ValueError(f"A lane switch needs PCIe lanes; card {plan.card!r} has none")
        self.plan = plan
        first_bits = bits_for(plan.lanes)
        members: dict[str, Member] = {
            "lane_rx": In(LANE_BITS * plan.lanes),
            "lane_tx": Out(LANE_BITS * plan.lanes),
        }
        for device in plan.devices:
            d = device.index
            members |= {
                f"steer{d}": In(1),
                f"first{d}": In(first_bits),
                f"width{d}": In(WIDTH_BITS),
                f"in_reset{d}": In(1),
                f"status_first{d}": Out(first_bits),
                f"status_width{d}": Out(WIDTH_BITS),
                f"status_refused{d}": Out(1),
                f"rx{d}": Out(LANE_BITS * device.lanes),
                f"tx{d}": In(LANE_BITS * device.lanes),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._command(m)
        self._connect(m)
        return m

    def _command(self, m: Module) -> None:
        """Check the command of this cycle, and note the run if it is right."""
        plan = self.plan
        first = Signal(bits_for(plan.lanes))
        width = Signal(WIDTH_BITS)
        widest = Signal(WIDTH_BITS)
        in_reset = Signal()
        taken = Signal(plan.lanes)
        wanted = Signal(plan.lanes)
        aligned = Signal()
        possible = Signal()
        owned = [Signal(plan.lanes, name=f"{device.name}_owned") for device in plan.devices]

        # One check for all: the command comes from the first device that has one.
        for device in reversed(plan.devices):
            d = device.index
            others = [lanes for other, lanes in enumerate(owned) if other != d]
            with m.If(getattr(self, f"steer{d}")):
                m.d.comb += [
                    first.eq(getattr(self, f"first{d}")),
                    width.eq(getattr(self, f"width{d}")),
                    in_reset.eq(getattr(self, f"in_reset{d}")),
                    widest.eq(device.lanes),
                    taken.eq(_any_of(others)),
                ]
        with m.Switch(width):
            with m.Case(0):
                m.d.comb += aligned.eq(1)
            for lanes in LANE_WIDTHS:
                # Runs are aligned, so they are a run's number and nothing is added up.
                with m.Case(lanes):
                    for start in range(0, plan.lanes - lanes + 1, lanes):
                        with m.If(first == start):
                            m.d.comb += [aligned.eq(1), wanted.eq((1 << lanes) - 1 << start)]
        m.d.comb += possible.eq(in_reset & aligned & (width <= widest) & ~(wanted & taken).any())

        earlier: Value = Const(0, 1)
        for device, lanes in zip(plan.devices, owned, strict=True):
            d = device.index
            steer = getattr(self, f"steer{d}")
            with m.If(steer):
                with m.If(possible & ~earlier):
                    m.d.sync += [
                        lanes.eq(wanted),
                        getattr(self, f"status_first{d}").eq(first),
                        getattr(self, f"status_width{d}").eq(width),
                        getattr(self, f"status_refused{d}").eq(0),
                    ]
                with m.Else():
                    m.d.sync += getattr(self, f"status_refused{d}").eq(1)
            earlier = earlier | steer

    def _connect(self, m: Module) -> None:
        """Lane k of a controller meets physical lane p if its run begins at p - k and is longer than k.

        A run that is longer than k begins at a multiple of the next power of two, so few p come into question for a k.
        """
        to_physical: list[list[Value]] = [[] for _ in range(self.plan.lanes)]
        for device in self.plan.devices:
            for k in range(device.lanes):
                received: list[Value] = []
                for p in _physical_lanes(self.plan, device, k):
                    connected = Signal(name=f"{device.name}_lane{k}_is_lane{p}")
                    m.d.sync += connected.eq(
                        (getattr(self, f"status_first{device.index}") == p - k)
                        & (getattr(self, f"status_width{device.index}") > k)
                    )
                    received.append(Mux(connected, _lane(self.lane_rx, p), 0))
                    to_physical[p].append(Mux(connected, _lane(getattr(self, f"tx{device.index}"), k), 0))
                m.d.sync += _lane(getattr(self, f"rx{device.index}"), k).eq(_any_of(received))
        for p, transmitted in enumerate(to_physical):
            m.d.sync += _lane(self.lane_tx, p).eq(_any_of(transmitted))


def _lane(lanes: Value, number: int) -> Value:
    return lanes[LANE_BITS * number : LANE_BITS * (number + 1)]


def _any_of(values: list[Value]) -> Value:
    result: Value = Const(0, 1)
    for value in values:
        result = result | value
    return result


def _physical_lanes(plan: Plan, device: Device, k: int) -> list[int]:
    """Physical lanes that lane k of a controller can be."""
    return sorted(
        {
            start + k
            for lanes in LANE_WIDTHS
            if k < lanes <= device.lanes
            for start in range(0, plan.lanes - lanes + 1, lanes)
        }
    )
