"""What a user sees when the generator says no."""


class Refusal(Exception):
    """Bad input. ``str()`` is one line: where, what is wrong, and what would be right."""


class Misfit(Exception):
    """A value of a card description that contradicts the rest of it.

    Members
    -------
    location : tuple
        Path of the value inside the description, such as ``("targets", "bank0", "size")``.
    """

    def __init__(self, location: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.location = location
