"""What `make sim` plays on a card. Each module has one coroutine, ``run(setting)``."""

SCENARIOS: dict[str, tuple[str | None, ...]] = {
    "bring_up": (None,),
    "isolation": (None,),
    "hitless": ("changed", "quiet"),
    "qos": (None,),
    "figures": (None,),
}
"""Scenarios by name, and the variants in which each is run with the same seed."""
