"""A component laid open, so that a proof can speak of what is inside it without a port for it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.hdl._ast import SignalSet
from amaranth.lib import wiring
from amaranth.lib.memory import Memory


class WhiteBox:
    """A component, its own signals and memories by name, and its parts.

    It is elaborated here, part by part, and `module` is what takes its place in a design: the logic is the one that is
    shipped, and a memory can be given a read port more.

    Amaranth has no public way to look into a module; this is the one place that uses its private names.

    Members
    -------
    component : wiring.Component
    module : Module
    memories : dict of str to Memory
    parts : dict of str to WhiteBox
    """

    def __init__(self, component: Any) -> None:
        self.component = component
        component._MustUse__used = True  # what it is used for is its module
        module = component.elaborate(None)
        if not isinstance(module, Module):
            raise TypeError(f"{type(component).__name__} is elaborated to {type(module).__name__}, not to a Module")
        self.module = module
        self.memories: dict[str, Memory] = {}
        self.parts: dict[str, WhiteBox] = {}
        for name, (part, place) in list(module._named_submodules.items()):
            if isinstance(part, Memory):
                self.memories[name] = part
            elif isinstance(part, wiring.Component):
                self.parts[name] = WhiteBox(part)
                module._named_submodules[name] = (self.parts[name].module, place)
        # What goes into a part is driven here as well.
        inputs = SignalSet(
            signal
            for part in self.parts.values()
            for _, _, value in part.component.signature.flatten(part.component)
            for signal in Value.cast(value)._rhs_signals()
        )
        self._signals: dict[str, list[Signal]] = {}
        for signal in module._driving:
            if signal not in inputs:
                self._signals.setdefault(signal.name, []).append(signal)

    def __getattr__(self, name: str) -> Any:
        """A member of the component."""
        return getattr(self.component, name)

    def drives(self, value: Any) -> bool:
        """Whether the component drives it, all or a part."""
        return any(signal in self.module._driving for signal in Value.cast(value)._rhs_signals())

    def signal(self, name: str) -> Signal:
        """The signal of this name that the component drives itself.

        Raises
        ------
        LookupError
            There is none, or more than one.
        """
        found = self._signals.get(name, [])
        if len(found) != 1:
            raise LookupError(f"{type(self.component).__name__} drives {len(found)} signals that are called {name!r}")
        return found[0]

    def signals(self, name: str) -> list[Signal]:
        """All signals of this name that the component drives itself, in the order in which it does."""
        return self._signals[name]

    def state(self, machine: str, name: str) -> Value:
        """Whether a state machine of the component is in this state."""
        return self.module._generated[machine].ongoing(name)

    def registers(self) -> list[Signal]:
        """Signals that the component itself takes over at the clock."""
        driving = self.module._driving
        return [signal for found in self._signals.values() for signal in found if "sync" in driving[signal]]

    def looked(self, memory: str) -> Any:
        """What the clocked read port of a memory shows; the first one, if it has several."""
        return next(port.data for port in self.memories[memory].read_ports if port.domain != "comb")

    def word(self, m: Module, memory: str, address: Value) -> Any:
        """What a memory holds at an address in this cycle."""
        port = self.memories[memory].read_port(domain="comb")
        m.d.comb += port.addr.eq(address)
        return port.data
