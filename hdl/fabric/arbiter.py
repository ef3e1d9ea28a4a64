"""Who goes next at a shared place: class first, the longest served ago inside a class, and nobody waits for ever."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import PATIENCE, PATIENCE_LEAST, bits_for


def _any(values: list[Value]) -> Value:
    return Cat(values).any()


class Matrix:
    """Which input goes before which: one flip-flop for each pair of inputs.

    An input that is served goes behind all others, so of those that wait the one that was served longest ago is ahead.
    (W. J. Dally and B. Towles, Principles and Practices of Interconnection Networks, 18.5: the matrix arbiter.)
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.pairs = {(i, j): Signal(name=f"first_{i}_{j}", init=1) for j in range(inputs) for i in range(j)}

    def before(self, i: int, j: int) -> Value:
        """Whether input i goes before input j."""
        return self.pairs[i, j] if i < j else ~self.pairs[j, i]

    def after(self, i: int, j: int, grant: Value) -> Value:
        """Whether input i goes before input j when the granted input has gone behind all others."""
        return (self.pairs[i, j] & ~grant[i]) | grant[j]

    def serve(self, m: Module, grant: Value) -> None:
        """Put the granted input behind all others."""
        for (i, j), first in self.pairs.items():
            m.d.sync += first.eq(self.after(i, j, grant))

    def serve_or_stay(self, m: Module, grant: Value, accept: Value) -> None:
        """Put the granted input behind all others, or before them if it was not accepted: so the choice stands."""
        for (i, j), first in self.pairs.items():
            m.d.sync += first.eq(Mux(accept, self.after(i, j, grant), (first | grant[i]) & ~grant[j]))


class RoundRobin(wiring.Component):
    """Serves the candidate that was served longest ago.

    A choice stands until it is accepted.

    Latency: combinational.

    Members
    -------
    candidates : In(inputs)
        The one that has the grant stays a candidate until it is accepted.
    grant : Out(inputs)
        One-hot; zero when there is no candidate.
    accept : In(1)
        The grant is used in this cycle.
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        super().__init__({"candidates": In(inputs), "grant": Out(inputs), "accept": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        matrix = Matrix(self.inputs)
        inputs = range(self.inputs)
        for i in inputs:
            ahead = [self.candidates[j] & matrix.before(j, i) for j in inputs if j != i]
            m.d.comb += self.grant[i].eq(self.candidates[i] & ~_any(ahead) if ahead else self.candidates[i])
        matrix.serve_or_stay(m, self.grant, self.accept)
        return m


class Arbiter(wiring.Component):
    """Arbitration by class with a bound for the lowest.

    The highest class that asks is served, and inside a class the input that was served longest ago. After
    `PATIENCE_LEAST` grants in a row that each passed over a lower class, `PATIENCE` if there is one in every cycle, one
    grant ignores classes. So an input sees fewer than ``(PATIENCE + 1) * inputs`` grants go to others, whatever they
    do: while it asks, a grant that breaks the row goes to its class or ignores classes; those that were served longer
    ago than it are at most ``inputs - 1``, and each goes behind it when it is served. A class that changes counts from
    the cycle after the next on.

    Latency: combinational.

    Parameters
    ----------
    inputs, classes : int
    classless : int
        As many of the last inputs have class 0 and no member for it.

    Members
    -------
    request : In(inputs)
    class{n} : In
        Class of input n; the highest number goes first.
    enable : In(1)
        There may be a grant in this cycle.
    grant : Out(inputs)
        One-hot, zero without a request.
    """

    def __init__(self, inputs: int, classes: int, classless: int = 0) -> None:
        if inputs < 1:
            raise ValueError(f"An arbiter needs at least one input, not {inputs!r}")
        self.inputs, self.classes, self.classless = inputs, classes, classless
        members = {f"class{n}": In(bits_for(classes)) for n in range(inputs - classless)}
        super().__init__({**members, "request": In(inputs), "enable": In(1), "grant": Out(inputs)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        matrix = Matrix(self.inputs)
        inputs = range(self.inputs)
        by_class = self.classes > 1 and self.inputs > 1
        goes_first: dict[tuple[int, int], Value] = {}
        for i, j in matrix.pairs:
            first: Value = Signal(name=f"goes_first_{i}_{j}", init=1) if by_class else matrix.before(i, j)
            goes_first[i, j], goes_first[j, i] = first, ~first
        for i in inputs:
            ahead = [self.request[j] & goes_first[j, i] for j in inputs if j != i]
            m.d.comb += self.grant[i].eq(self.request[i] & self.enable & (~_any(ahead) if ahead else 1))
        matrix.serve(m, self.grant)
        if by_class:
            self._by_class(m, matrix, goes_first)
        return m

    def _by_class(self, m: Module, matrix: Matrix, goes_first: dict[tuple[int, int], Value]) -> None:
        """Who goes first is decided a cycle ahead, so that a grant needs no look at classes."""
        ignore_classes = Signal()
        ignore_next = Signal()
        lower: dict[tuple[int, int], Signal] = {}
        for i, j in matrix.pairs:
            for a, b in ((i, j), (j, i)):
                lower[a, b] = Signal(name=f"lower_{a}_{b}")
                m.d.comb += lower[a, b].eq(self._is_lower(a, b))
            alike = ignore_next | ~(lower[i, j] | lower[j, i])
            m.d.sync += goes_first[i, j].eq(Mux(alike, matrix.after(i, j, self.grant), lower[j, i]))
        m.d.sync += ignore_classes.eq(ignore_next)
        self._patience(m, ignore_classes, ignore_next, lower)

    def _is_lower(self, a: int, b: int) -> Value:
        with_class = self.inputs - self.classless
        if b >= with_class:
            return Const(0, 1)
        class_b = getattr(self, f"class{b}")
        return getattr(self, f"class{a}") < class_b if a < with_class else class_b.any()

    def _patience(
        self, m: Module, ignore_classes: Signal, ignore_next: Signal, lower: dict[tuple[int, int], Signal]
    ) -> None:
        """Count grants that passed over a lower class; one cycle later, so that no grant waits for the count."""
        requested = Signal(self.inputs)
        granted = Signal(self.inputs)
        # A grant goes by what was lower a cycle before it.
        known = {pair: Signal.like(value, name=f"known_{value.name}") for pair, value in lower.items()}
        was_lower = {pair: Signal.like(value, name=f"was_{value.name}") for pair, value in lower.items()}
        passing = Signal()
        ignoring = Signal()
        due = Signal()
        passed_over = Signal(range(PATIENCE - 1))
        m.d.sync += [requested.eq(self.request), granted.eq(self.grant)]
        for pair, value in lower.items():
            m.d.sync += [known[pair].eq(value), was_lower[pair].eq(known[pair])]
        m.d.comb += [
            passing.eq(_any([granted[i] & requested[j] & was_lower[j, i] for i, j in lower])),
            due.eq(passed_over == PATIENCE_LEAST),  # in the two cycles until it takes effect two more may pass
            ignore_next.eq(Mux(ignore_classes, ~(self.enable & self.request.any()), due & ~ignoring)),
        ]
        m.d.sync += ignoring.eq(ignore_classes & self.grant.any())
        with m.If(ignoring | (granted.any() & ~passing)):
            m.d.sync += passed_over.eq(0)
        with m.Elif(passing & ~due):
            m.d.sync += passed_over.eq(passed_over + 1)
