"""Who goes next at a shared place: class first, round robin inside a class, and nobody waits for ever."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import PATIENCE, bits_for


class RoundRobin(wiring.Component):
    """Picks the next of several candidates after the one that was picked last.

    Latency: combinational.

    Members
    -------
    candidates : In(inputs)
    grant : Out(inputs)
        One-hot; zero when there is no candidate.
    accept : In(1)
        The grant is used in this cycle: the turn passes on.
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        super().__init__({"candidates": In(inputs), "grant": Out(inputs), "accept": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Bits above the last grant. x & -x is the lowest set bit, so "first after the last" is two of those.
        later = Signal(self.inputs)
        ahead = Signal(self.inputs)
        pool = Signal(self.inputs)
        m.d.comb += [
            ahead.eq(self.candidates & later),
            pool.eq(Mux(ahead.any(), ahead, self.candidates)),
            self.grant.eq(pool & -pool),
        ]
        with m.If(self.accept):
            m.d.sync += later.eq(~((self.grant << 1) - 1))
        return m


class Arbiter(wiring.Component):
    """Arbitration by class with a bound for the lowest.

    The highest class that asks is served, round robin among its inputs. After `PATIENCE` grants that passed over a
    waiting lower class, one grant goes round robin over all inputs whatever their class. So an input sees fewer than
    ``(PATIENCE + 2) * inputs`` grants go to others, whatever they do: at most ``inputs - 1`` turns over all inputs go
    to others, each after at most `PATIENCE` grants that passed it over, and at most ``inputs - 1`` turns inside its own
    class. Each turn-taking has a pointer of its own: with a shared one the grants of a higher class would bring the
    same lower input to the front again and again.

    Latency: combinational.

    Members
    -------
    request : In(inputs)
    class{n} : In
        Class of input n; the highest number goes first.
    grant : Out(inputs)
        One-hot, zero without a request.
    accept : In(1)
        The grant is used in this cycle.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        if inputs < 1:
            raise ValueError(f"An arbiter needs at least one input, not {inputs!r}")
        self.inputs, self.classes = inputs, classes
        members = {f"class{n}": In(bits_for(classes)) for n in range(inputs)}
        super().__init__({**members, "request": In(inputs), "grant": Out(inputs), "accept": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.classes == 1:
            m.submodules.turn = turn = RoundRobin(self.inputs)
            m.d.comb += [turn.candidates.eq(self.request), turn.accept.eq(self.accept), self.grant.eq(turn.grant)]
            return m

        top = Signal(bits_for(self.classes))
        passed_over = Signal(range(PATIENCE + 1))
        open_to_all = Signal()
        waiting_below = Signal()
        m.d.comb += open_to_all.eq(passed_over == PATIENCE)
        grants = []
        for level in range(self.classes):
            turn = RoundRobin(self.inputs)
            m.submodules[f"turn_class{level}"] = turn
            members = Cat(getattr(self, f"class{n}") == level for n in range(self.inputs))
            m.d.comb += turn.candidates.eq(self.request & members)
            with m.If(turn.candidates.any()):
                m.d.comb += top.eq(level)
            m.d.comb += turn.accept.eq(self.accept & ~open_to_all & (top == level))
            grants.append(turn)
        m.submodules.turn_all = turn_all = RoundRobin(self.inputs)
        m.d.comb += [
            turn_all.candidates.eq(self.request),
            turn_all.accept.eq(self.accept & open_to_all),
            self.grant.eq(Mux(open_to_all, turn_all.grant, Array(turn.grant for turn in grants)[top])),
            waiting_below.eq((self.request & ~Array(turn.candidates for turn in grants)[top]).any()),
        ]
        with m.If(self.accept):
            with m.If(open_to_all):
                m.d.sync += passed_over.eq(0)
            with m.Elif(waiting_below):
                m.d.sync += passed_over.eq(passed_over + Const(1))
        return m
