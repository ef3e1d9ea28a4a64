"""The merged netlist: alike modules once, different ones apart, names plain, and still what Verilator accepts."""

import re

import pytest
from amaranth import Cat, Elaboratable, Module, Mux, Signal
from amaranth.back import verilog
from amaranth.lib.memory import Memory

from hdl.verilog import merge_modules
from sim.verilator import lint


class Accumulator(Elaboratable):
    """Adds a constant each cycle; has a memory and, if asked, another accumulator inside."""

    def __init__(self, step, inner=None, depth=4):
        self.step, self.inner, self.depth = step, inner, depth
        self.enable = Signal()
        self.total = Signal(8)

    def elaborate(self, platform):
        m = Module()
        m.submodules.history = history = Memory(shape=8, depth=self.depth, init=[])
        write, read = history.write_port(), history.read_port()
        m.d.comb += [write.en.eq(self.enable), write.addr.eq(self.total), write.data.eq(self.total)]
        m.d.comb += read.addr.eq(self.total)
        added = self.step
        if self.inner is not None:
            m.submodules.inner = self.inner
            m.d.comb += self.inner.enable.eq(self.enable)
            added = self.inner.total
        with m.If(self.enable):
            m.d.sync += self.total.eq(self.total + Mux(read.data == 3, added, 1))
        return m


class Halves(Elaboratable):
    """Has an output of two halves that come from different cells: Amaranth makes two ports and invents their names."""

    def __init__(self):
        self.enable = Signal()
        self.total = Signal(8)

    def elaborate(self, platform):
        m = Module()
        halves = [Signal(4, name=f"half{n}") for n in range(2)]
        m.d.sync += [half.eq(half + self.enable + n) for n, half in enumerate(halves)]
        m.d.comb += self.total.eq(Cat((half + 1)[:4] for half in halves))
        return m


class Board(Elaboratable):
    """Accumulators under given names (None: unnamed), all enabled at once."""

    def __init__(self, units):
        self.units = units
        self.enable = Signal()
        self.total = Signal(8)

    def elaborate(self, platform):
        m = Module()
        for name, unit in self.units:
            if name is None:
                m.submodules += unit
            else:
                m.submodules[name] = unit
            m.d.comb += unit.enable.eq(self.enable)
        m.d.comb += self.total.eq(sum(unit.total for _, unit in self.units))
        return m


def convert(*units):
    board = Board(units)
    ports = [board.enable, board.total]
    return verilog.convert(board, name="card", ports=ports, emit_src=False, strip_internal_attrs=True)


def modules(text):
    return re.findall(r"^module (\S+)", text, re.MULTILINE)


def instances(text):
    return re.findall(r"^ +(card_\S+) (\S+) \($", text, re.MULTILINE)


def lint_text(text, tmp_path):
    path = tmp_path / "card.v"
    path.write_text(text)
    return lint([path], "card")


def test_identical_modules_are_merged_and_named_by_unit():
    text = convert(("bank_host0", Accumulator(3)), ("bank_host1", Accumulator(3)), ("bank_7", Accumulator(3)))
    assert len(modules(text)) == 4
    merged = merge_modules(text, top="card", suffixes=["host0", "host1"])
    assert modules(merged) == ["card", "card_bank"]
    assert instances(merged) == [("card_bank", "bank_7"), ("card_bank", "bank_host0"), ("card_bank", "bank_host1")]


def test_modules_that_differ_by_a_constant_stay_apart():
    text = convert(("bank_host0", Accumulator(3)), ("bank_host1", Accumulator(4)), ("bank_host2", Accumulator(3)))
    merged = merge_modules(text, top="card", suffixes=["host0", "host1", "host2"])
    assert modules(merged) == ["card", "card_bank", "card_bank_2"]
    assert {name: module for module, name in instances(merged)} == {
        "bank_host0": "card_bank",
        "bank_host1": "card_bank_2",
        "bank_host2": "card_bank",
    }


def test_what_is_inside_decides_too():
    units = [(f"outer_{n}", Accumulator(1, inner=Accumulator(step))) for n, step in enumerate([5, 5, 6])]
    merged = merge_modules(convert(*units), top="card")
    # Top-down: inner modules come after the outer module that holds them.
    assert modules(merged) == ["card", "card_outer", "card_inner", "card_outer_2", "card_inner_2"]
    inside = dict(re.findall(r"^module (card_outer\w*) .*?^ +(card_inner\w*) inner \($", merged, re.M | re.S))
    assert inside == {"card_outer": "card_inner", "card_outer_2": "card_inner_2"}


def test_ports_that_amaranth_named_by_number_do_not_matter():
    text = convert(*((f"bank_{n}", Halves()) for n in range(3)))
    headers = re.findall(r"^module \\\S+ (\(.*\);)$", text, re.MULTILINE)
    assert len(set(headers)) == 3
    assert all(header.count("\\port$") == 2 for header in headers)
    merged = merge_modules(text, top="card")
    assert modules(merged) == ["card", "card_bank"]
    for port in re.findall(r"\\port\$\d+ ", re.search(r"^module card_bank .*$", merged, re.MULTILINE)[0]):
        assert merged.count(f".{port}(") == 3


def test_a_module_below_another_unit_may_be_shared():
    # The stand-alone one equals the inner ones of the others, whatever it is called; the most frequent name wins.
    units = [(f"unit{n}", Accumulator(1, inner=Accumulator(5), depth=4 << n)) for n in range(2)]
    merged = merge_modules(convert(*units, ("spare", Accumulator(5))), top="card")
    assert ("card_inner", "spare") in instances(merged)


def test_single_module_keeps_its_name_and_gets_the_header():
    merged = merge_modules(convert(), top="card", header="// made by hand\n")
    assert merged.startswith("// made by hand\nmodule card (")
    assert "Generated by" not in merged


def test_a_name_that_is_only_a_suffix_is_kept():
    merged = merge_modules(convert(("host0", Accumulator(1))), top="card", suffixes=["host0"])
    assert modules(merged) == ["card", "card_host0"]


def test_unnamed_instances_get_plain_names():
    text = convert((None, Accumulator(1)), (None, Accumulator(1)))
    assert re.search(r"^ +\\card\.U\$\d+ +\\?U\$\d+ +\($", text, re.MULTILINE)
    merged = merge_modules(text, top="card")
    assert {module for module, _ in instances(merged)} == {"card_U"}
    assert all(re.fullmatch(r"U_\d+", name) for _, name in instances(merged))


def test_an_instance_named_like_a_keyword_stays_escaped(tmp_path):
    text = merge_modules(convert(("table", Accumulator(1))), top="card")
    assert "card_table \\table (" in text
    assert lint_text(text, tmp_path) == []


def test_uniform_memory_contents_become_a_loop():
    text = convert(("bank", Accumulator(1, depth=1024)))
    assert "history[1023] = 8'h00;" in text
    merged = merge_modules(text, top="card")
    assert "for (\\$i = 0; \\$i < 1024; \\$i = \\$i + 1)\n      history[\\$i ] = 8'h00;" in merged
    assert "history[1023]" not in merged


def test_other_memory_contents_stay_as_they_are():
    text = "module card (\n);\n  initial begin\n    words[0] = 8'h00;\n    words[1] = 8'h01;\n  end\nendmodule\n"
    assert merge_modules(text, top="card") == text


def test_verilator_accepts_the_result(tmp_path):
    units = [(f"outer_host{n}", Accumulator(1, inner=Accumulator(n // 2))) for n in range(4)]
    text = convert(*units, (None, Accumulator(9, depth=64)))
    merged = merge_modules(text, top="card", suffixes=[f"host{n}" for n in range(4)])
    assert len(modules(merged)) < len(modules(text))
    assert lint_text(merged, tmp_path) == []
    # The check can fail: a port that does not exist is noticed.
    assert any("PINNOTFOUND" in line for line in lint_text(merged.replace(".enable(", ".enabled(", 1), tmp_path))


def test_the_same_design_gives_the_same_text():
    def once():
        return merge_modules(convert(*((f"bank_{n}", Accumulator(n % 3)) for n in range(6))), top="card")

    assert once() == once()
    assert merge_modules(once(), top="card").count("\nmodule ") == once().count("\nmodule ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no module 'card' in the Verilog, only none at all"),
        ("module other (\n);\nendmodule\n", "no module 'card' in the Verilog, only other"),
        ("module card (\n);\nendmodule\n" * 2, "two modules are called 'card'"),
        ("module card (\n);\n  card inner (\n  );\nendmodule\n", "module 'card' contains itself"),
    ],
)
def test_text_that_is_no_such_netlist_is_refused(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        merge_modules(text, top="card")
