"""Faults planted in the shipped Verilog, and which verdict must turn red for each."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One planted fault.

    Members
    -------
    name : str
    module : str
        Unit that is changed, without card and number; every module made from it is. Empty: the top module.
    pattern, replacement : str
        Regular expression and its replacement; must match in each of those modules that has the signal.
    scenarios : tuple of str
        What is simulated.
    red : tuple of str
        Checks that must fail.
    """

    name: str
    module: str
    pattern: str
    replacement: str
    scenarios: tuple[str, ...]
    red: tuple[str, ...]

    def apply(self, verilog: str, card: str) -> str:
        """The Verilog with the fault in it; ValueError if there is no place for it."""
        planted = 0

        def change(module: re.Match[str]) -> str:
            nonlocal planted
            text, count = re.subn(self.pattern, self.replacement, module[0])
            planted += count
            return text

        body = re.compile(
            rf"^module {card}{self.module and '_' + self.module}(_\d+)? .*?^endmodule", re.MULTILINE | re.DOTALL
        )
        result = body.sub(change, verilog)
        if not planted:
            raise ValueError(f"mutant {self.name!r} finds nothing to change in module {self.module!r}")
        return result


def _assign(signal: str) -> str:
    """Matches the whole right-hand side of a signal's only assignment."""
    return rf"(assign {signal} = )[^;]*;"


MUTANTS = (
    # The six that nobody may miss.
    Mutant("no drain", "epochs", _assign("finished"), r"\1| serving;", ("isolation",), ("revocation",)),
    Mutant("no key check", "gate", _assign("check_pass"), r"\g<1>1'h1;", ("isolation",), ("isolation",)),
    Mutant("no scrub", "rekey", _assign("scrubs"), r"\g<1>1'h0;", ("isolation",), ("residue",)),
    Mutant(
        "swapped response",
        "egress_read",
        r"(assign where = denial_turn \? denial_source : )answer_source;",
        r"\1answer_source ^ 1'h1;",
        ("bring_up",),
        ("responses",),
    ),
    Mutant(
        "leaked stall",
        "",
        r"(trio_ingress_\w+ ingress_\w+ \([^;]*?)\.eligible\(eligible\)",
        r"\1.eligible(eligible & ~{4{scrub_valid}})",
        ("hitless",),
        ("hitless_strict", "hitless_growth"),
    ),
    Mutant("ignored budget", r"ingress_(read|write)", _assign("has_budget"), r"\g<1>1'h1;", ("qos",), ("quality",)),
    # One more for each verdict that those leave green.
    Mutant("core runs after reset", "", r"\.reset\(core0_reset\)", ".reset()", ("bring_up",), ("closed",)),
    Mutant(
        "denied data leaks",
        "egress_read",
        r"denial_turn \? 32'(h0+|d0) : r__payload",
        r"r__payload",
        ("isolation",),
        ("denials",),
    ),
    Mutant("unlogged denial", "gate", _assign("fault_valid"), r"\g<1>1'h0;", ("isolation",), ("faults",)),
    Mutant("uncounted denial", "read", r"= done & done_denied;", r"= 1'h0;", ("isolation",), ("counters",)),
    Mutant("wrong slice at the target", "", _assign("bank0_aruser"), r"\g<1>2'h3;", ("bring_up",), ("delivery",)),
    Mutant("wrong command taken", "rekey", _assign("acceptable"), r"\g<1>1'h1;", ("isolation",), ("commands",)),
    Mutant("whole target revoked", "gate", _assign("in_range"), r"\g<1>1'h1;", ("hitless",), ("hitless_sharing",)),
)
