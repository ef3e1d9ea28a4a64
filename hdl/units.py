"""Converts each distinct component of a design once, instead of once for each place that it has.

Amaranth elaborates and converts a design as one piece: a card with 16 ports has hundreds of alike queues and arbiters,
and each is built anew. Here a component that is built of the same parameters as another one becomes an instance of a
module that was converted before.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any

from amaranth.back import rtlil, verilog
from amaranth.hdl import ClockSignal, DomainRenamer, Format, Fragment, Instance, ResetSignal, Shape, Signal, Value
from amaranth.hdl._ast import SignalDict, SignalSet
from amaranth.hdl._ir import PortDirection
from amaranth.hdl._mem import MemoryInstance
from amaranth.hdl._xfrm import TransformedElaboratable
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

__all__ = ["convert"]

_get = Fragment.get
_AMARANTHS = re.compile(r"_(Component|MustUse|Elaboratable)__")
"""What Amaranth itself keeps in a component."""


def convert(component: wiring.Component, name: str) -> str:
    """Verilog of a component and all inside, as Amaranth writes it, with a module for each distinct component.

    The modules inside have names that mean nothing, see :func:`hdl.verilog.merge_modules`.

    Raises
    ------
    ValueError
        A component uses a signal that is driven inside another one and is no port of it.
    """
    # Amaranth has no public way from its text for Yosys to Verilog.
    return str(verilog._convert_rtlil_text(convert_rtlil(component, name), strip_internal_attrs=True))


def convert_rtlil(component: wiring.Component, name: str) -> str:
    """The same as text for Yosys."""
    units = _Units()
    with units.in_use():
        units.convert(component, name)
    units.check()
    return "\n".join(units.texts)


class _Units:
    """What has been converted. As the platform, it is known to all that is elaborated.

    Amaranth has no public way to say what becomes of a component inside; this is the one place that uses its own.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._names: dict[Any, str] = {}
        self._clocked: dict[str, tuple[str, ...]] = {}
        self._driven = SignalDict()  # what drives a signal, and is not a port of it
        self._open: list[tuple[str, SignalSet]] = []

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Meanwhile components become instances."""
        Fragment.get = staticmethod(self._fragment)
        try:
            yield
        finally:
            Fragment.get = staticmethod(_get)

    def _fragment(self, part: Any, platform: object) -> Fragment:
        if isinstance(part, TransformedElaboratable):
            # What has a reset added from outside is built in its place; another clock comes in by the ports.
            renamed = all(isinstance(change, DomainRenamer) for change in part._transforms_)
            return _get(part, platform if renamed else None)
        own = isinstance(part, wiring.Component) and type(part).__module__.startswith("hdl.")
        return self._instance(part) if own and platform is self else _get(part, platform)

    def convert(self, component: wiring.Component, name: str) -> bool:
        """Convert a component, and what is inside before; returns whether there is any logic in it."""
        ports = {
            port: (value, PortDirection.Input if member.flow == In else PortDirection.Output)
            for port, member, value in _ports(component)
        }
        fragment = _get(component, self)
        _name_wires(fragment, ports)
        design = fragment.prepare(ports=ports, hierarchy=(name,))
        self._note(
            design.fragment, name, SignalSet(signal for value, _ in ports.values() for signal in value._rhs_signals())
        )
        text, _ = rtlil.convert_fragment(design, ports, name, emit_src=False)
        self._clocked[name] = tuple(port for port in ("clk", "rst") if f" \\{port}\n" in text)
        if f"module \\{name}\n" not in text:
            return False
        self.texts.append(text)
        return True

    def _note(self, fragment: Fragment, name: str, ports: SignalSet) -> None:
        """Note what is driven and used in a module, so that `check` can tell."""
        driven, used = SignalSet(), SignalSet()
        _find(fragment, driven, used)
        for signal in driven - ports:
            self._driven[signal] = name
        self._open.append((name, used - driven - ports))

    def check(self) -> None:
        """ValueError if a signal is driven in one module and used in another without a port."""
        for name, used in self._open:
            for signal in used:
                if signal in self._driven:
                    raise ValueError(f"{name} uses {signal.name!r}, which is driven in {self._driven[signal]}: no port")

    def _instance(self, component: wiring.Component) -> Fragment:
        key = _frozen(component)
        if key not in self._names:
            name = f"{type(component).__name__}_{len(self._names)}"
            self._names[key] = name if self.convert(component, name) else ""
        name = self._names[key]
        _is_used(component)
        if not name:
            return _get(component, None)  # nothing but wires
        connections: dict[str, Any] = {"clk": ClockSignal(), "rst": ResetSignal()}
        arguments = [("i", port, connections[port]) for port in self._clocked[name]]
        for port, member, value in _ports(component):
            arguments.append(("i" if member.flow == In else "o", port, value))
        return Instance(name, *arguments)


def _name_wires(fragment: Fragment, ports: Mapping[str, Any]) -> None:
    """Name what is connected with an instance inside after the instance and its port.

    All instances of a component have the same names for it, which Amaranth would tell apart by numbers that change
    whenever anything does. Its fields have wires inside the instance; here they would be noise.
    """
    own = SignalSet(signal for value, _ in ports.values() for signal in value._rhs_signals())
    for part, name, *_ in fragment.subfragments:
        if isinstance(part, Instance) and name is not None:
            for port, (value, _) in part.ports.items():
                if isinstance(value, Signal) and value not in own:
                    value.name = f"{name}_{port}"
                    value._format = Format("{}", value)


def _is_used(component: wiring.Component) -> None:
    """Keep Amaranth from saying that a component, or one that it holds, was made for nothing."""
    component._MustUse__used = True
    for held in vars(component).values():
        if isinstance(held, wiring.Component):
            _is_used(held)


def _find(fragment: Any, driven: SignalSet, used: SignalSet) -> None:
    """Signals that a fragment and those inside drive and use."""
    for statements in fragment.statements.values():
        for statement in statements:
            driven.update(statement._lhs_signals())
            used.update(statement._rhs_signals())
    if isinstance(fragment, Instance):
        for value, kind in fragment.ports.values():
            (driven if kind == "o" else used).update(value._rhs_signals())
    if isinstance(fragment, MemoryInstance):
        for port in fragment._read_ports:
            driven.update(port._data._rhs_signals())
            used.update(port._addr._rhs_signals() | port._en._rhs_signals())
        for port in fragment._write_ports:
            used.update(port._addr._rhs_signals() | port._en._rhs_signals() | port._data._rhs_signals())
    for inside, *_ in fragment.subfragments:
        _find(inside, driven, used)


class _Itself:
    """Equal to nothing else."""

    def __init__(self, value: object) -> None:
        self.value = value  # kept, so that nothing else gets its identity


def _ports(component: wiring.Component) -> Iterator[tuple[str, wiring.Member, Value]]:
    for path, member, value in component.signature.flatten(component):
        yield "__".join(map(str, path)), member, Value.cast(value)


def _frozen(value: Any) -> Any:
    """Something that is equal for two components if these elaborate to the same."""
    if isinstance(value, wiring.Component):
        members = value.signature.members
        kept = {name: held for name, held in vars(value).items() if name not in members and not _AMARANTHS.match(name)}
        own = [(name, _frozen(held)) for name, held in kept.items()]
        return type(value), _frozen(value.signature), tuple(own)
    if isinstance(value, wiring.Signature):
        return type(value), tuple(
            (path, member.flow, repr(member.shape), repr(member.init))
            for path, member in value.members.flatten()
            if member.is_port
        )
    if isinstance(value, wiring.Member):
        what = _frozen(value.signature) if value.is_signature else (repr(value.shape), repr(value.init))
        return value.flow, value.dimensions, what
    if isinstance(value, dict):
        return tuple((_frozen(key), _frozen(held)) for key, held in value.items())
    if isinstance(value, list | tuple):
        return tuple(_frozen(held) for held in value)
    if isinstance(value, data.Layout | Shape):
        return repr(value)
    if value is None or isinstance(value, bool | int | str) or (is_dataclass(value) and not isinstance(value, type)):
        return value
    return _Itself(value)
