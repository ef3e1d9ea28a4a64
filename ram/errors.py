"""How the RAM says no."""

Location = tuple[str | int, ...]
"""Path of a value inside a slice definition, such as ``("memory", 0, "size")``."""


class Refusal(Exception):
    """Bad input. ``str()`` is one line: where, what is wrong, and what would be right."""


class Denied(Exception):
    """A request that is not granted.

    Members
    -------
    location : tuple
        Path of the value in the slice definition that is at fault; empty if it is the whole request.
    """

    def __init__(self, message: str, location: Location = ()) -> None:
        super().__init__(message)
        self.location = location


class Invalid(Denied):
    """The request makes no sense on this card or in this state: asking again later does not help."""


class Exhausted(Denied):
    """The request makes sense, but what it asks for is not free."""
