"""Faults planted in the shipped Verilog, and which verdict must turn red for each.

All of them stand in one file, each behind a comparison with the plusarg ``+mutant``; so one build serves them all.
"""

import re
from dataclasses import dataclass

PLUSARG = "+mutant={}"
"""Chooses a mutant by its place in `MUTANTS`, from 1 on; without it the Verilog is what it was."""
SELECTOR = """
  integer mutant;
  initial if (!$value$plusargs("mutant=%d", mutant)) mutant = 0;
"""


@dataclass(frozen=True)
class Mutant:
    """One planted fault.

    Members
    -------
    name : str
    module : str
        Unit that is changed, without card and number; every module made from it is. Empty: the top module.
    pattern : str
        Regular expression whose group `value` is the expression that is replaced.
    faulty : str
        What stands for it, in Verilog; ``{value}`` is the expression itself.
    scenarios : tuple of str
        What is simulated.
    red : tuple of str
        Checks that must fail.
    """

    name: str
    module: str
    pattern: str
    faulty: str
    scenarios: tuple[str, ...]
    red: tuple[str, ...]

    def plant(self, verilog: str, card: str, number: int) -> str:
        """The Verilog with the fault in it; ValueError if there is no place for it."""
        planted = 0

        def choose(found: re.Match[str]) -> str:
            nonlocal planted
            planted += 1
            start, end = found.span("value")
            value = found["value"]
            chosen = f"(mutant == {number} ? ({self.faulty.format(value=value)}) : ({value}))"
            return found[0][: start - found.start()] + chosen + found[0][end - found.start() :]

        def change(module: re.Match[str]) -> str:
            text, count = re.subn(self.pattern, choose, module[0])
            if count and SELECTOR not in text:
                # Behind the port list, whose end is the first semicolon.
                text = text.replace(";", ";" + SELECTOR, 1)
            return text

        unit = self.module and f"_{self.module}"
        body = re.compile(rf"^module {card}{unit}(_\d+)? .*?^endmodule", re.MULTILINE | re.DOTALL)
        result = body.sub(change, verilog)
        if not planted:
            raise ValueError(f"mutant {self.name!r} finds nothing to change in module {self.module!r}")
        return result


def plant_all(verilog: str, card: str, mutants: "tuple[Mutant, ...] | None" = None) -> str:
    """The Verilog with every mutant in it; those of `MUTANTS` if it is not said which."""
    for number, mutant in enumerate(MUTANTS if mutants is None else mutants, 1):
        verilog = mutant.plant(verilog, card, number)
    return verilog


def _assign(signal: str) -> str:
    """The right-hand side of a signal's only assignment."""
    return rf"assign {signal} = (?P<value>[^;]*);"


def _register(signal: str) -> str:
    """What a register takes over at the clock."""
    return rf"\b{signal} <= (?P<value>[^;]*);"


def _input(port: str) -> str:
    """What is connected to an input of this name, of every instance."""
    return rf"\.{port}\((?P<value>.+)\)(?=,?\n)"


MUTANTS = (
    # The six that nobody may miss.
    Mutant("no drain", "epochs", _assign("finished"), "| serving", ("revocation",), ("revocation",)),
    Mutant("no key check", "gate", _assign("check_pass"), "1'h1", ("isolation",), ("isolation",)),
    Mutant("no scrub", "rekey", _assign("scrub_follows"), "1'h0", ("revocation",), ("residue",)),
    Mutant("swapped response", "deliver", _assign("beat"), "{value} ^ 1'h1", ("bring_up",), ("responses",)),
    Mutant(
        "leaked stall",
        "data_plane",
        _input(r"eligible\d"),
        "{value} & ~(bank0__scrub_valid | bank1__scrub_valid)",
        ("hitless",),
        ("hitless_strict", "hitless_growth"),
    ),
    Mutant("ignored budget", "data_plane", _input("eligible0"), "1'h1", ("qos",), ("quality",)),
    # At the gate.
    Mutant(
        "right of another slice",
        "gate",
        r"assign own_right = \S+\s+& (?P<value>\{[^}]*\});",
        "{value} == 1 ? 2 : {value} >> 1",
        ("isolation",),
        ("isolation",),
    ),
    Mutant("revoked range is let through", "gate", _register("revoked"), "1'h0", ("revocation",), ("revocation",)),
    Mutant("whole target revoked", "gate", _assign("in_range"), "1'h1", ("hitless",), ("hitless_sharing",)),
    Mutant("unlogged denial", "gate", _assign("fault_valid"), "1'h0", ("isolation",), ("faults",)),
    Mutant("everybody is trusted", "gate", _register("trusted"), "1'h1", ("isolation",), ("isolation",)),
    Mutant("denial is not told", "gate", _register("decided_denied"), "1'h0", ("isolation",), ("completed",)),
    Mutant("burst cut short", "gate", _assign("held_next"), "1'h0", ("bring_up",), ("completed",)),
    # On the way back.
    Mutant(
        "denied data leaks",
        "return",
        _assign("read_answer__addr"),
        "show ? read_at : {value}",
        ("isolation",),
        ("denials",),
    ),
    Mutant("denial is lost", "return", _assign("denied"), "1'h0", ("isolation",), ("completed",)),
    Mutant("answers run over", "return", _register("full"), "1'h0", ("bring_up",), ("responses",)),
    Mutant("walkers overtake", "order", _assign("walks"), "1'h0", ("isolation",), ("denials",)),
    Mutant("an ID's order is wrong after a wrap", "order", _assign("room"), "~sweeping", ("bring_up",), ("responses",)),
    Mutant("denied burst ends early", "deliver", _assign("complete"), "1'h1", ("isolation",), ("responses",)),
    # On the way in.
    Mutant(
        "illegal bursts are let in",
        "burst_check",
        r"legal = (?P<value>\\\$\d+ |1'h0);",
        "1'h1",
        ("isolation",),
        ("isolation",),
    ),
    Mutant(
        "window without permissions",
        "lookup",
        _assign("fill_target"),
        "{value} | fill_entry[2 +: 3]",
        ("isolation",),
        ("isolation",),
    ),
    Mutant("window runs on", "window_fill", _assign("writing"), "busy", ("isolation",), ("completed",)),
    # Engines and registers.
    Mutant("only the first granule is granted", "rekey", _assign("at_end"), "1'h1", ("bring_up",), ("delivery",)),
    Mutant("context of another slice", "handover", _register("slice0"), "{value} ^ 1'h1", ("bring_up",), ("delivery",)),
    Mutant(
        "hand-over without a drain",
        "handover",
        r"nothing_left = (?P<value>drained[^;]*);",
        "1'h1",
        ("hitless",),
        ("responses",),
    ),
    Mutant("whoever writes is the owner", "fence", _register("allowed"), "1'h1", ("mix",), ("fence",)),
    Mutant("refused writes take place", "store", _assign("there"), "mapped & |strobe", ("mix",), ("delivery",)),
    Mutant("wrong command taken", "rekey", _assign("acceptable"), "1'h1", ("isolation",), ("commands",)),
    Mutant("core runs after reset", "handover", _register("reset"), "1'h0", ("bring_up",), ("closed",)),
    Mutant(
        "uncounted denial", "read", r"(?P<value>\\\$\d+ +& events_before\[24\])", "1'h0", ("isolation",), ("counters",)
    ),
    Mutant(
        "refills are lost",
        "buckets",
        r"(?P<value>\$signed\(read__data\[\d+:0\]\)) \+",
        "0",
        ("qos",),
        ("quality",),
    ),
    Mutant("a context without budget passes", "queues", _assign("passes"), "~apart", ("qos",), ("quality",)),
    Mutant("all contexts in one queue", "queues", _assign("into"), "'0", ("qos",), ("quality",)),
    Mutant("classes are ignored", "arbiter", _register(r"goes_first_0_1"), "first_0_1", ("qos",), ("quality",)),
    Mutant("full log takes more", "fault_log", _assign("full"), "1'h0", ("isolation",), ("faults",)),
    Mutant(
        "wrong slice at the target",
        "data_plane",
        _assign("bank0_aruser"),
        "{value} ^ 1'h1",
        ("bring_up",),
        ("delivery",),
    ),
    Mutant("strobes are ignored", "data_plane", _assign("bank0_wstrb"), "-1", ("bring_up",), ("delivery",)),
    Mutant(
        "an address is exchanged while it waits",
        "data_plane",
        _assign("bank0_araddr"),
        "bank0_arready ? {value} : {value} ^ 8'h8",
        ("bring_up",),
        ("protocol",),
    ),
    Mutant(
        "a bit of the data flips", "data_plane", _assign("bank0_wdata"), "{value} ^ 1'h1", ("bring_up",), ("delivery",)
    ),
)

STRICT_MUTANTS = (
    Mutant("order of an ID is ignored", "slots", _assign("blocks"), "1'h0", ("bring_up",), ("responses",)),
    Mutant("data of another lane", "collect", _assign("mine_0"), "1'h1", ("bring_up",), ("responses",)),
    Mutant("write without its data", "queue", _assign("complete"), "i_valid", ("hostile",), ("hostile",)),
    Mutant(
        "denied before its data", "steer", _register("denied"), "moves & ~|request[2:0]", ("bring_up",), ("responses",)
    ),
    Mutant("beats without room", "steer", _assign("has_room"), "1'h1", ("bring_up",), ("completed",)),
    Mutant("a dead target is not noticed", "owed", _assign("overdue"), "1'h0", ("hostile",), ("completed",)),
    Mutant(
        "interleaved beats share a count",
        "lane",
        r"numbers\[(?P<value>\\\$signature__addr |lane\[5:2\])\](?= <=|;)",
        "4'h0",
        ("lockups",),
        ("responses",),
    ),
    Mutant("error of a piece is lost", "collect", _assign("merged"), "own", ("revocation",), ("denials",)),
    Mutant("pieces at one address", "splitter", _assign("piece_address"), "address", ("bring_up",), ("isolation",)),
    Mutant("pieces of the card's chunk", "splitter", _assign("last"), "-1", ("hitless",), ("isolation",)),
    Mutant(
        "writes go by the budget of reads",
        "meter",
        _register("write_eligible0"),
        "read_eligible0",
        ("qos",),
        ("quality",),
    ),
    Mutant(
        "one port always goes before another",
        "arbiter",
        _register("goes_first_0_1"),
        "1'h0",
        ("latency",),
        ("latency",),
    ),
    Mutant(
        "the limit of requests under way is ignored",
        "outstanding",
        r"assign \S+ +=(?P<value> full +>> owner_slice\d+);",
        "1'h0",
        ("qos",),
        ("quality",),
    ),
    Mutant(
        "drain does not wait for answers",
        r"egress_(read|write)",
        _assign("behind"),
        "1'h0",
        ("revocation",),
        ("revocation",),
    ),
    Mutant("denial is lost", "gate", _register("decided_denied"), "1'h0", ("isolation",), ("completed",)),
    Mutant(
        "answer beside a denial is lost",
        r"egress_(read|write)",
        _assign("free"),
        "1'h1",
        ("isolation",),
        ("completed",),
    ),
    Mutant(
        "a request begins that does not end in its slot",
        "starts",
        _assign("may_next"),
        "1'h1",
        ("time_slots",),
        ("time_slots",),
    ),
    Mutant(
        "a slice with slots uses open ones too",
        "gate",
        r"assign \\\$\d+ +=(?P<value> turn\[[^;]*\] >> asking\d\[[^;]*\]);",
        "4'h0",
        ("time_slots",),
        ("time_slots",),
    ),
)
"""Faults in what only a card with strict isolation has."""
