"""P7 of the card's own ports: which claims of which blocks make up each rule of AXI.

The data plane has no AXI inside, so its ports cannot have one checker. Each rule is kept by the blocks next to the
port; here stands which of their claims say so, and a card is proved only if all of them are made and proved. The
adapters and the register port have the checker itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hdl.plan.plan import Plan

from .prover import Verdict


@dataclass(frozen=True)
class Rule:
    """A rule, its section in IHI 0022H, and the claims that it follows from: of every card, and by its isolation."""

    says: str
    section: str
    always: tuple[str, ...] = ()
    basic: tuple[str, ...] = ()
    strict: tuple[str, ...] = ()

    def claims(self, plan: Plan) -> tuple[str, ...]:
        """Those that a card must prove."""
        return self.always + (self.strict if plan.strict else self.basic)


RULES = (
    Rule(
        "an offer of AR, AW or W stays, as it is, until the target takes it",
        "A3.2.1",
        ("an offer stays until it is taken", "an offer stays as it is", "an offer of data stays until it is taken"),
    ),
    Rule(
        "an offer of R or B stays, as it is, until the initiator takes it",
        "A3.2.1",
        ("an offer of an answer stays",),
        ("the choice stands until it is taken whole", "what is stored stays", "it comes as it was stored"),
        ("a beat comes as the target gave it", "a response is as the target gave it"),
    ),
    Rule(
        "WLAST comes with the last beat of a write, and data in the order of addresses",
        "A3.2.2, A5.3",
        ("a beat is the last if it says so", "data is offered with the request that it came with"),
        ("a write keeps the grant until its last beat",),
        ("a request takes as many beats as it says", "its data follows without a pause"),
    ),
    Rule(
        "RLAST comes with the last beat of a read",
        "A3.2.2",
        ("the last beat is told",),
        ("a request is answered by its last beat",),
        ("all beats are delivered",),
    ),
    Rule(
        "an answer comes after its request, that of a write after its data, each once",
        "A3.3.1",
        ("who asked is told", "a request leaves when its data has gone"),
        ("an answer is taken for what was let through", "a denied request takes no answer", "what is taken is shown"),
        ("a slot is picked once, and for its own ID", "it is given with the last piece", "and not before"),
    ),
    Rule(
        "a target sees only bursts that AXI allows, none over the end of 4 KiB",
        "A3.4.1",
        ("what is no legal burst inside the window is denied", "what is offered has the right"),
        (),
        ("a piece begins where the one before it ends", "the last piece ends where the burst does"),
    ),
    Rule(
        "an answer has its request's ID, and answers of an ID come in order",
        "A5.3",
        (),
        (
            "an answer is stored for whom it is",
            "its turn comes when those before it are delivered",
            "what does not walk is the oldest, or goes where the one before it went",
        ),
        ("it comes to the ID that asked", "a request is picked after those of its ID before it"),
    ),
)


def kept(plan: Plan, verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Each rule with its claims, and those of them that are `missing`: not made, or not proved."""
    verdicts = list(verdicts)
    proved = {claim for verdict in verdicts if verdict.proved for claim in verdict.claims}
    failed = {claim for verdict in verdicts if not verdict.proved for claim in verdict.claims}
    found = []
    for rule in RULES:
        claims = rule.claims(plan)
        missing = [claim for claim in claims if claim not in proved or claim in failed]
        found.append({"says": rule.says, "section": rule.section, "claims": list(claims), "missing": missing})
    return found
