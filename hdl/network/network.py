"""The routers of one network and their links."""

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..plan.network.graph import Network
from ..plan.network.switches import End, switches
from .link import link_signature
from .router import Router


class Routers(wiring.Component):
    """A network in one direction: requests, or answers.

    Whoever takes what leaves must do so in the end whatever else happens, or flows wait for each other.

    Latency: 1 cycle for each router that a flit passes.

    Parameters
    ----------
    network : Network
    flit : StructLayout, see :func:`hdl.network.link.flit_layout`
    answers : bool
        It goes from targets to initiators.
    classes : int

    Members
    -------
    entry{n} : In(link_signature)
        From the port with this number.
    exit{n}_{k} : Out(link_signature)
        To the port with this number, over the k-th way into its router.

    Attributes
    ----------
    exits : dict of (int, int) to str
        By source and sink the exit over which flits come.
    """

    def __init__(self, network: Network, flit: data.StructLayout, *, answers: bool, classes: int) -> None:
        self.network, self.flit, self.classes = network, flit, classes
        self.switches = switches(network, answers=answers)
        sources = network.targets if answers else network.initiators
        self.exits = {
            (way.source, way.sink): f"exit{way.sink}_{way.inlet}"
            for switch in self.switches
            for way in switch.ways
            if switch.outlets[way.outlet].port >= 0
        }
        super().__init__(
            {
                **{f"entry{n}": In(link_signature(flit)) for n in range(len(sources))},
                **{name: Out(link_signature(flit)) for name in sorted(set(self.exits.values()))},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        settings = {"classes": self.classes, "hop_cycles": self.network.hop_cycles}
        routers = {n: Router(switch, self.flit, **settings) for n, switch in enumerate(self.switches) if switch.ways}
        for here, router in routers.items():
            m.submodules[f"router_{self.network.routers[here]}"] = router
            for n, end in enumerate(router.switch.inlets):
                if end.port >= 0:
                    wiring.connect(m, wiring.flipped(getattr(self, f"entry{end.port}")), getattr(router, f"inlet{n}"))
            for n, end in enumerate(router.switch.outlets):
                outlet = getattr(router, f"outlet{n}")
                if end.port >= 0:
                    wiring.connect(m, outlet, wiring.flipped(getattr(self, f"exit{end.port}_{end.inlet}")))
                else:
                    there = routers[end.router]
                    wiring.connect(m, outlet, getattr(there, f"inlet{there.switch.inlets.index(End(router=here))}"))
        return m
