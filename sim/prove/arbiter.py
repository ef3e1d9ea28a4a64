"""P4 at the arbiter of a gate: how many others go before an input that asks, by the bound that admission uses."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from hdl.fabric.arbiter import Arbiter
from hdl.plan.plan import PATIENCE, PATIENCE_LEAST

from .harness import Harness
from .white_box import WhiteBox

GRANTED = "somebody is granted"


def most_before(inputs: int) -> int:
    """Fewer grants than these go to others while an input asks, whatever the classes are and however they change."""
    return (PATIENCE + 1) * inputs


def bounded_wait(inputs: int, classes: int, classless: int) -> Harness:
    """Every input, with classes that may change in every cycle."""
    h = Harness()
    m = h.m
    box = h.place(Arbiter(inputs, classes, classless))
    request, grant = box.request, box.grant
    everyone = range(inputs)
    before = matrix(box, inputs)
    h.claim("one grant at a time", (grant & (grant - 1)[:inputs]) == 0, when=grant.any())
    h.claim("only who asks is granted", (grant & ~request) == 0, when=grant.any())
    h.claim("no grant while there must be none", ~grant.any(), when=~box.enable)
    h.claim("who asks alone is granted", grant == request, when=box.enable & request.any() & _one(request))
    h.claim(GRANTED, grant.any(), when=box.enable & request.any())
    is_order(h, before, inputs)
    row = _row(h, box, before) if classes > 1 and inputs > 1 else None
    if row is not None:
        _ignores(h, box)
    for i in everyone:
        passed = Signal(range(most_before(inputs) + 1), name=f"passed_{i}")
        with m.If(~request[i] | grant[i]):
            m.d.sync += passed.eq(0)
        with m.Elif(grant.any()):
            m.d.sync += passed.eq(passed + 1)
        rank = sum((before[j, i] for j in everyone if j != i), start=0)
        h.shown[f"passed_{i}"] = passed
        left, step, most = (0, 1, inputs - 1) if row is None else (row, PATIENCE + 1, (PATIENCE + 1) * inputs - 1)
        h.invariant("what is left of the row, and of those that were served longer ago",
                    passed + rank * step + left <= most)  # fmt: skip
        h.claim("fewer than the bound go before", passed < most_before(inputs), when=request[i] & (passed != 0))
    return h


def highest_class(inputs: int, classes: int, classless: int) -> Harness:
    """Every input while no other has a higher class and no class changes: each equal goes once, and one more grant."""
    h = Harness()
    m = h.m
    named = tuple(f"class{n}" for n in range(inputs - classless))
    box = h.place(Arbiter(inputs, classes, classless), driven=named)
    level: list[Value] = [h.constant(len(getattr(box, name)), name, below=classes) for name in named] + [
        Const(0, 1)
    ] * classless
    for name, value in zip(named, level, strict=False):
        m.d.comb += getattr(box, name).eq(value)
    request, grant = box.request, box.grant
    everyone = range(inputs)
    before = matrix(box, inputs)
    is_order(h, before, inputs)
    row = _row(h, box, before)
    settled = Signal(2)  # what is lower is known, and has been looked at
    m.d.sync += settled.eq(settled << 1 | 1)
    for i, j in before:
        lower = level[i] < level[j]
        h.invariant("known", box.signal(f"known_lower_{i}_{j}") == lower, when=settled[0])
        h.invariant("known for long", box.signal(f"was_lower_{i}_{j}") == lower, when=settled[1])
    h.invariant("settled", settled[0] | ~settled[1])
    for i in everyone:
        others = [j for j in everyone if j != i]
        highest = Cat(level[j] > level[i] for j in others) == 0
        equals = sum((level[j] == level[i] for j in others), start=Const(0, 1))
        ahead = sum((before[j, i] & (level[j] == level[i]) for j in others), start=Const(0, 1))
        passed = Signal(range(inputs + 3), name=f"passed_{i}")
        with m.If(~settled[1] | ~highest | ~request[i] | grant[i]):
            m.d.sync += passed.eq(0)
        with m.Elif(grant.any()):
            m.d.sync += passed.eq(passed + 1)
        # To ignore classes once more takes a row of PATIENCE_LEAST equals at least, and there are not as many.
        may_ignore = (row == 0) | (PATIENCE - row + ahead >= PATIENCE_LEAST)
        h.invariant("equals ahead, and a grant that ignores classes", passed + ahead + may_ignore <= equals + 1,
                    when=settled[1] & highest)  # fmt: skip
        h.claim("each equal and one more go before", passed <= equals + 1, when=request[i] & (passed != 0))
    return h


def _ignores(h: Harness, box: WhiteBox) -> None:
    """Classes are ignored after as many grants in a row as are said that passed over a lower one, and not before."""
    m, request, grant = h.m, box.request, box.grant
    component, ignores = box.component, box.signal("ignore_classes")
    with_class = component.inputs - component.classless
    level = [getattr(box, f"class{n}") for n in range(with_class)] + [Const(0, 1)] * component.classless
    pairs = [(i, j) for i in range(component.inputs) for j in range(component.inputs) if i != j]
    lower = {(i, j): Signal(name=f"class_was_lower_{i}_{j}") for i, j in pairs}
    m.d.sync += [value.eq(level[i] < level[j]) for (i, j), value in lower.items()]
    passes = Cat(grant[j] & request[i] & value for (i, j), value in lower.items()).any()
    # Of grants until the cycle before; it takes effect two cycles later.
    in_row, *later = (Signal(range(PATIENCE_LEAST + 1), name=f"in_row_{n}") for n in range(3))
    with m.If(grant.any()):
        m.d.sync += in_row.eq(Mux(ignores | ~passes, 0, Mux(in_row == PATIENCE_LEAST, in_row, in_row + 1)))
    did = Signal()
    m.d.sync += [later[0].eq(in_row), later[1].eq(later[0]), did.eq(ignores)]
    for (i, j), value in lower.items():
        h.invariant("known to be lower", box.signal(f"known_lower_{i}_{j}") == value)
    h.invariant("how many passed over a lower one", box.signal("passed_over") == later[0])
    h.invariant("and with the last", box.signal("ignoring") == (did & box.signal("granted").any()))
    h.claim("classes are ignored after a row of grants that passed over one", later[1] == PATIENCE_LEAST,
            when=ignores & ~did)  # fmt: skip


def _one(word: Value) -> Value:
    return (word & (word - 1)[: len(word)]) == 0


def matrix(box: WhiteBox, inputs: int) -> dict[tuple[int, int], Value]:
    """Whether one input was served longer ago than another."""
    pairs = [(i, j) for i in range(inputs) for j in range(inputs) if i != j]
    return {(i, j): box.signal(f"first_{min(i, j)}_{max(i, j)}") ^ int(i > j) for i, j in pairs}


def is_order(h: Harness, before: dict[tuple[int, int], Value], inputs: int) -> None:
    """The matrix is an order: no three go before each other in a ring."""
    for i in range(inputs):
        for j in range(inputs):
            for k in range(inputs):
                if len({i, j, k}) == 3:
                    h.invariant("an order", ~(before[i, j] & before[j, k] & before[k, i]))


def _row(h: Harness, box: WhiteBox, before: dict[tuple[int, int], Value]) -> Value:
    """Grants of higher classes that may still come before one ignores classes."""
    signal = box.signal
    ignore, ignoring, passing = signal("ignore_classes"), signal("ignoring"), signal("passing")
    passed_over = signal("passed_over")
    known = {(i, j): signal(f"known_lower_{i}_{j}") for i, j in before}
    for i, j in before:
        if i < j:
            alike = ignore | ~(known[i, j] | known[j, i])
            h.invariant("who goes first", signal(f"goes_first_{i}_{j}") == Mux(alike, before[i, j], known[j, i]))
        h.invariant("not lower than each other", ~(known[i, j] & known[j, i]))
    granted = signal("granted")
    h.invariant("one was granted", (granted & (granted - 1)[: len(granted)]) == 0)
    # What was granted in the cycle before is not in the count yet.
    count = Mux(ignoring | (granted.any() & ~passing), 0, passed_over + passing)
    row = Signal(range(PATIENCE + 1), name="row")
    h.m.d.comb += row.eq(Mux(ignore, 0, PATIENCE - count))
    h.shown["row"] = row
    return row
