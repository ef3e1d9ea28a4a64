"""Bursts of initiators, and the pieces into which ``isolation: strict`` splits them; with ``basic`` each is one piece.

Everything that the fabric decides, it decides for a piece: it is judged, delivered, logged and counted like a request.
Only the legality of a burst, the order of its answers and its one write response belong to the whole.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from .bursts import BOUNDARY, DECERR, INCR, OKAY, SLVERR
from .reference import CUT_OFF, NOBODY, Outcome
from .transactions import FOREVER, Request

LONGEST_EXCLUSIVE = 16
"""Beats of the longest exclusive burst (IHI 0022H, A7.2.4)."""


@dataclass(eq=False)
class Asked:
    """A request of an initiator, or a piece of one, and what became of it.

    Members
    -------
    request : Request
        The piece, with its part of data and responses.
    whole : Request
        The burst that it belongs to, as the initiator gave it; `request` itself if that was not split.
    outcomes : set
        All right answers.
    denied : bool
        It was answered like one of the denials among them.
    access : Request or None
        The access at a target that it became.
    certain : bool
        Its burst was split here, whichever of the chunks held that its slice may have had.
    """

    initiator: int
    request: Request
    whole: Request
    outcomes: set[Outcome]
    denied: bool = False
    access: Request | None = None
    target: int = -1
    certain: bool = True

    @property
    def cut(self) -> bool:
        """A reset of what is attached ended it."""
        return self.request.cut < FOREVER

    @property
    def split(self) -> bool:
        """Whether it is a piece of several."""
        return self.request is not self.whole

    @property
    def merged(self) -> bool:
        """Whether nobody sees its response by itself: a split write has one for all its pieces."""
        return self.split and self.whole.write

    @property
    def codes(self) -> set[int]:
        """The responses that it got; if `merged`, those that the response to the whole leaves possible."""
        if not self.merged:
            return set(self.request.responses)
        worst = max(self.whole.responses, default=DECERR)
        return {code for code in (OKAY, SLVERR, DECERR) if code <= worst}

    @property
    def refusals(self) -> set[int]:
        """Responses of the denials that may be right."""
        return {outcome.response for outcome in self.outcomes if outcome.response is not None}

    @property
    def may_be_cut_off(self) -> bool:
        """Whether its target may have been cut off while it was under way."""
        return any(outcome.kind == CUT_OFF for outcome in self.outcomes)

    @property
    def passing(self) -> bool:
        """Whether it may be right to let it through."""
        return any(outcome.response is None for outcome in self.outcomes)

    @property
    def slice(self) -> int:
        """The slice that it was made for, NOBODY if there was none or it is not known for sure."""
        if self.access is not None:
            return self.access.user
        slices = {outcome.slice for outcome in self.outcomes}
        return slices.pop() if len(slices) == 1 else NOBODY


@dataclass(eq=False)
class Whole:
    """A burst as an initiator gave it, and its pieces in order."""

    initiator: int
    request: Request
    pieces: list[Asked] = field(default_factory=list)


def split(request: Request, fabric: dict[str, Any], chunk: int) -> list[Request]:
    """The pieces of a burst on a card with this fabric: the burst itself, unless the card splits it.

    An INCR burst of more than `chunk` beats, those of its slice, becomes pieces of `chunk` beats, the last with the
    rest, unless it is exclusive and has no more than the 16 that AXI allows it. The first begins at the burst's
    address, the others where a beat begins. A piece of a read ends with its last beat, one of a write with the response
    to the whole burst.
    """
    beats = request.length + 1
    exclusive = request.lock and beats <= LONGEST_EXCLUSIVE
    if fabric["isolation"] != "strict" or request.burst != INCR or beats <= chunk or exclusive:
        return [request]
    aligned = request.address >> request.size << request.size
    page = request.address // BOUNDARY * BOUNDARY
    pieces = []
    for number, first in enumerate(range(0, beats, chunk)):
        length = min(chunk, beats - first)
        own = slice(first, first + length)
        address = page + (aligned + (first << request.size)) % BOUNDARY if number else request.address
        piece = replace(
            request,
            piece=number,
            address=address,
            length=length - 1,
            beats=request.beats[own],
            beat_cycles=request.beat_cycles[own],
        )
        if not request.write:
            piece.responses, piece.data = request.responses[own], request.data[own]
            piece.response_cycles = request.response_cycles[own]
            complete = len(piece.response_cycles) == length
            piece.end = piece.response_cycles[-1] if complete else FOREVER
            piece.cut = FOREVER if complete else request.cut
        pieces.append(piece)
    return pieces
