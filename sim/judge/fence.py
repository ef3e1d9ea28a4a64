"""Writes to the register port, and the token that each carries: only the owner's take place."""

from typing import Any

from .control import places
from .events import Trace
from .findings import Findings

OWNER = ("identity", 0, "FENCE")
WHOLE = 0b1111
OKAY, SLVERR, DECERR = 0, 2, 3


def check_fence(manifest: dict[str, Any], trace: Trace, findings: Findings) -> int:
    """Compare each write's answer with what its token deserves; returns how many were refused for that.

    That a refused write changes nothing is for all other checks: they do not know of it.
    """
    known, bits = places(manifest), manifest["fabric"]["register_bits"]
    owner = refused = 0
    writes = zip(*(trace.of("control", channel) for channel in ("AW", "W", "B")), strict=False)
    for (at, address), (_, data, strobe), (_, response) in writes:
        token, place = divmod(address, 1 << bits)
        block, member, register, _ = known.get(place & ~3, ("", 0, "", {}))
        takes_over = (block, member, register) == OWNER
        allowed = token == owner
        if takes_over:
            allowed = token >= owner and data == token and strobe == WHOLE
        expected = DECERR if not block else OKAY if allowed else SLVERR
        if response != expected:
            what = f"a write to {block}.{register} under token {token}, where the owner's is {owner}"
            findings.add("fence", at, f"{what}, was answered {response}, not {expected}")
        refused += expected == SLVERR
        owner = token if takes_over and allowed else owner
    return refused
