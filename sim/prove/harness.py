"""What a proof is made of: components with free inputs, what is assumed of these, and what is claimed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from amaranth.asserts import AnyConst, AnySeq, Initial
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Cover, Module, Shape, Signal, Value
from amaranth.lib.wiring import Out

from .white_box import WhiteBox


@dataclass(frozen=True)
class Claim:
    """Something that is asserted.

    It `helps` if it is there for the induction and no guarantee by itself. A `rule` is bound to many blocks; some keep
    it by their wires alone, so that nothing of it is left for the solver.
    """

    name: str
    place: str
    helps: bool
    is_rule: bool


class Harness:
    """A design with claims about it.

    All inputs of what is placed in it are free, its reset included, unless the harness drives them: they take any
    value in any cycle. Registers begin with their value of reset, memories with what they are given at power-on.

    Members
    -------
    m : Module
        For the harness's own logic.
    claims : list of Claim
    assumed : list of str
        Claims of other proofs that this one rests on; `environment`, what it asks of what is around the block.
    without_contents : list of str
        Memories that hold anything when power comes on.
    shown : dict of str to Value
        What a trace prints, by label.
    """

    def __init__(self) -> None:
        self.m = Module()
        self.claims: list[Claim] = []
        self.assumed: list[str] = []
        self.environment: list[str] = []
        self._covers: list[Cover] = []
        self.without_contents: list[str] = []
        self.shown: dict[str, Signal] = {}
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []
        self._constants: dict[str, Signal] = {}
        self._proved_by = ""

    def place(self, component: Any, name: str = "dut", driven: tuple[str, ...] = ()) -> WhiteBox:
        """Put a component into the design; the members `driven` are the harness's to drive."""
        box = WhiteBox(component)
        self.m.submodules[name] = box.module
        for path, member, value in component.signature.flatten(component):
            if member.flow == Out:
                # One that nothing drives would be taken for an input.
                self._outputs += [Value.cast(value)] if box.drives(value) else []
            elif path[0] not in driven:
                self._inputs.append(Value.cast(value))
        return box

    def part(self, name: str) -> Harness:
        """A harness for something that stands in this design: its logic, and what it claims, are this one's too.

        Constants of the same name are the same in all parts.
        """
        part = copy(self)
        part.m = self.m.submodules[name.replace(" ", "_")] = Module()
        return part

    def constant(self, shape: Any, name: str, below: int | None = None) -> Signal:
        """Any value, the same in every cycle: what is claimed of it is claimed of each value."""
        if name in self._constants:
            if self._constants[name].shape() != Shape.cast(shape):
                raise ValueError(f"a constant {name!r} of another shape is there already")
            return self._constants[name]
        signal = self._constants[name] = self._free(AnyConst(shape), name)
        if below is not None and below < 1 << len(signal):
            self.m.d.comb += Assume(signal < below)
        return signal

    def any(self, shape: Any, name: str) -> Signal:
        """Any value in every cycle."""
        return self._free(AnySeq(shape), name)

    def _free(self, value: Any, name: str) -> Signal:
        signal = Signal(Shape.cast(value.shape()), name=name)
        self.m.d.comb += signal.eq(value)
        self.shown[name] = signal
        return signal

    def show(self, name: str, value: Any) -> Signal:
        """Have a trace print it, and name it."""
        value = Value.cast(value)
        signal = Signal(value.shape(), name=name)
        self.m.d.comb += signal.eq(value)
        self.shown[name] = signal
        return signal

    def contents(self, box: WhiteBox, memory: str, address: Value, shape: Any) -> Signal:
        """What a memory held at an address when power came on: anything, in place of what it is given there.

        So the claims do not depend on that, and a solver need not go through a large memory word by word.
        """
        first = self._free(AnyConst(shape), f"{memory}_first")
        word = Value.cast(box.word(self.m, memory, address))
        self.m.d.comb += Assume(~Initial() | (word == first))
        if memory not in self.without_contents:
            self.without_contents.append(memory)
        return first

    def assume(self, holds: Any, *claims: str, environment: str = "") -> None:
        """It holds in every cycle, since other proofs claim so, or because of what is around the block.

        What is named is a claim, or a proof with all that it claims.

        Raises
        ------
        ValueError
            Nothing is named that it follows from.
        """
        if not claims and not environment:
            raise ValueError("an assumption names the claims that it follows from, or the environment")
        for claim in claims:
            if claim not in self.assumed:
                self.assumed.append(claim)
        if environment and environment not in self.environment:
            self.environment.append(environment)
        self.m.d.comb += Assume(holds)

    @contextmanager
    def proved_by(self, proof: str) -> Iterator[None]:
        """What is claimed meanwhile, helping or not, is assumed: that other proof has it, with the same around it."""
        self._proved_by = proof
        yield
        self._proved_by = ""

    def claim(self, name: str, holds: Any, *, when: Any = 1, rule: str = "") -> None:
        """Whenever `when`, it holds; and `when` can come about.

        A rule says what it is bound to, so that a failure can name it.
        """
        self._assert(name, holds, when, helps=False, rule=rule)

    def invariant(self, name: str, holds: Any, *, when: Any = 1) -> None:
        """The same of something that is there for the induction."""
        self._assert(name, holds, when, helps=True)

    def _assert(self, name: str, holds: Any, when: Any, *, helps: bool, rule: str = "") -> None:
        if self._proved_by:
            self.assume(~Value.cast(when).bool() | Value.cast(holds).bool(), self._proved_by)
            return
        caller = sys._getframe(2)
        place = (caller.f_code.co_filename + (rule and f"#{rule.replace(' ', '_')}"), caller.f_lineno)
        self.claims.append(Claim(name, f"{place[0]}:{place[1]}", helps, bool(rule)))
        always = isinstance(when, int)
        check = Assert(Value.cast(holds).bool() if always else ~Value.cast(when).bool() | Value.cast(holds).bool())
        check.src_loc = place
        self.m.d.comb += check
        if not always:
            self.cover(when)
            self._covers[-1].src_loc = place

    def cover(self, reached: Any) -> None:
        """It can come about."""
        self._covers.append(Cover(Value.cast(reached).bool(), src_loc_at=1))
        self.m.d.comb += self._covers[-1]

    @property
    def covers(self) -> int:
        """How many situations are to be shown to come about."""
        return len(self._covers)

    def rtlil(self, *, outputs: bool = False) -> str:
        """The design as text of Yosys, if asked for with all `outputs` of what was placed in it."""
        return str(rtlil.convert(self.m, name="top", ports=[*self._inputs, *self._outputs[: None if outputs else 0]]))
