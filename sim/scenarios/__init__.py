"""What `make sim` plays on a card. Each module has one coroutine, ``run(setting)``."""

SCENARIOS: dict[str, tuple[str | None, ...]] = {
    "hitless": ("changed", "quiet"),
    "mix": (None,),
    "revocation": (None,),
    "bring_up": (None,),
    "isolation": (None,),
    "qos": (None,),
    "hostile": (None,),
    "lockups": (None,),
    "latency": (None,),
    "time_slots": ("beside", "alone"),
    "figures": (None,),
}
"""Scenarios by name, the longest first, and the variants that each is run in with the same seed.

A second variant is run after the first, until the cycle in which that one noted `STOPPED`.
"""

STOPPED = "stopped"
"""Kind of the mark that says when a scenario has told its traffic to stop."""
