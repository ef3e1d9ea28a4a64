"""Each distinct component is converted once, and the whole is what Amaranth makes of it in one piece."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.fabric.data_plane import DataPlane
from hdl.top import Card
from hdl.units import convert, convert_rtlil
from tests.cards import plan_of

from .harness import board


class Count(wiring.Component):
    """Counts up to `most`."""

    def __init__(self, most, inside=None):
        self.most = most
        if inside is not None:
            self.inside = inside
        super().__init__({"number": Out(range(most + 1))})

    def elaborate(self, platform):
        m = Module()
        at_the_end = getattr(self, "inside", Signal())
        m.d.comb += at_the_end.eq(self.number == self.most)
        with m.If(~at_the_end):
            m.d.sync += self.number.eq(self.number + 1)
        return m


Count.__module__ = "hdl.count"  # only components of the package become modules of their own


class Several(wiring.Component):
    """Counters, which `use` connects."""

    def __init__(self, mosts, use):
        self.mosts, self.use = mosts, use
        super().__init__({"start": In(1), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        at_the_end = Signal()
        counters = [Count(most, at_the_end if self.use == "hidden" else None) for most in self.mosts]
        for n, counter in enumerate(counters):
            m.submodules[f"counter{n}"] = ResetInserter(self.start)(counter) if self.use == "reset" else counter
        value = at_the_end if self.use == "hidden" else sum(counter.number for counter in counters)
        m.d.comb += self.o.eq(value)
        return m


def _modules(text):
    return re.findall(r"^module (\S+)", text, re.MULTILINE)


def test_what_is_alike_is_one_module():
    text = convert(Several((5, 5, 9), "number"), "top")
    assert len(_modules(text)) == 3
    assert len(re.findall(r"^  \S+ counter\d \(", text, re.MULTILINE)) == 3


def test_what_is_reset_from_outside_is_built_in_its_place():
    text = convert(Several((5, 5), "reset"), "top")
    assert len(_modules(text)) == 3
    for body in re.findall(r"^module \\top\.counter.*?^endmodule", text, re.MULTILINE | re.DOTALL):
        assert "start" in body


def test_a_signal_without_a_port_is_refused():
    """Across the border of a module it would silently be zero."""
    with pytest.raises(ValueError, match="top uses 'at_the_end', which is driven in Count_0: no port"):
        convert(Several((5,), "hidden"), "top")


def _state(text):
    """Bits of registers and of memories of a design, with those of a module as often as it is there."""
    bodies = dict(re.findall(r"^module \\(\S+)\n(.*?)^end$", text, re.MULTILINE | re.DOTALL))

    def of(name):
        body = bodies[name]
        registers = sum(map(int, re.findall(r"^  cell \$dff .*\n    parameter \\WIDTH (\d+)", body, re.MULTILINE)))
        memories = sum(int(w) * int(s) for w, s in re.findall(r"^  memory width (\d+) size (\d+)", body, re.MULTILINE))
        inside = [of(child) for child in re.findall(r"^  cell \\(\S+) ", body, re.MULTILINE)]
        return registers + sum(one for one, _ in inside), memories + sum(other for _, other in inside)

    return of("mini")


def test_what_is_connected_is_named_after_the_instance_and_its_port():
    text = convert(Several((5, 5), "number"), "top")
    assert re.findall(r"\.number\((\w+)\)", text) == ["counter0_number", "counter1_number"]


def _square(ports, isolation):
    """A card with so many alike initiators, and so many alike targets."""
    return plan_of(
        {
            "card": "square",
            "fabric": {"slices": 2, "keys": 4, "window": "64KiB", "clock": "100MHz", "isolation": isolation},
            "initiators": {f"core{n}": {"kind": "core"} for n in range(ports)},
            "targets": {f"bank{n}": {"kind": "memory", "size": "64KiB"} for n in range(ports)},
        }
    )


@pytest.mark.parametrize("isolation", ["basic", "strict"])
def test_more_alike_ports_need_no_more_modules(isolation):
    few, more = (
        _modules(convert(DataPlane(_square(ports, isolation)), "data_plane").replace("\\", "")) for ports in (2, 3)
    )
    assert sorted(re.sub(r"\d+", "", name) for name in few) == sorted(re.sub(r"\d+", "", name) for name in more)


def test_a_card_has_the_registers_and_memories_of_the_whole():
    """Amaranth's own way, in one piece, is what to compare with."""
    plan = board("mini")
    whole = _state(rtlil.convert(Card(plan), name="mini", emit_src=False))
    assert whole == _state(convert_rtlil(Card(plan), "mini"))
    assert min(whole) > 1000
