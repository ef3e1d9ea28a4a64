"""What a contract says about bandwidth in each direction, and the registers that say so to the card."""

from .definition import Qos
from .errors import Invalid
from .manifest import Card
from .units import format_bytes, format_rate

MOST_BEATS = 256
"""Longest AXI burst (IHI 0022H, A3.4.1); a token bucket is as deep if the contract does not say otherwise."""

DIRECTIONS = ("read", "write")


def separate(qos: Qos) -> bool:
    """Whether reads and writes have a limit each."""
    return qos.read_limit is not None or qos.write_limit is not None


def limit_of(qos: Qos, direction: str) -> int | None:
    """Bytes per second that the slice may move in a direction at most; a common limit may be spent on either."""
    own: int | None = getattr(qos, f"{direction}_limit")
    return qos.limit if own is None else own


def guarantee_of(qos: Qos, direction: str) -> int | None:
    """Bytes per second that the slice is promised in a direction."""
    own: int | None = getattr(qos, f"{direction}_guarantee")
    return qos.guarantee if own is None else own


def rate_registers(card: Card, qos: Qos) -> tuple[int, int, int]:
    """Values of RATE.rate, RATE.limited, BURST.beats for a contract: the common budget, or that of reads.

    RATE counts 2**-`budget_fraction_bits` beats per `budget_period` cycles, so the rate is rounded down: never more
    than the limit.

    Raises
    ------
    Invalid
        The limits cannot be combined, or one or the burst cannot be expressed in the registers.
    """
    if separate(qos):
        name = "read_limit" if qos.read_limit is not None else "write_limit"
        if card.fabric.budgets != "separate":
            raise Invalid("this card has one budget for reads and writes together; give qos.limit", ("qos", name))
        if qos.limit is not None:
            raise Invalid(f"reads and writes have a common limit; give either limit or {name}", ("qos", name))
    elif qos.limit is None and qos.burst is not None:
        raise Invalid("a burst means nothing without a limit; give qos.limit too", ("qos", "burst"))
    return _bucket(card, qos, "read_limit" if separate(qos) else "limit")


def write_registers(card: Card, qos: Qos) -> tuple[int, int, int, int]:
    """Values of WRITE_RATE.rate, WRITE_RATE.limited, WRITE_BURST.beats, WRITE_RATE.separate; zero for a common budget.

    Raises
    ------
    Invalid
        As `rate_registers`.
    """
    return (*_bucket(card, qos, "write_limit"), 1) if separate(qos) else (0, 0, 0, 0)


def outstanding_register(card: Card, qos: Qos) -> int:
    """Value of OUTSTANDING.requests for a contract; 0 is no limit.

    The card keeps it to the request if the slice sends on one plane (reads or writes) of one port alone; with p planes
    it may have up to p - 1 more outstanding. With strict isolation each piece of a burst is a request.

    Raises
    ------
    Invalid
        The card has no such limit, or the number is more than the card can have.
    """
    if qos.outstanding is None:
        return 0
    where = ("qos", "outstanding")
    if not card.fabric.slice_outstanding:
        raise Invalid("this card does not limit the outstanding requests of a slice; leave it out", where)
    most = (1 << card.registers["slice"].registers["OUTSTANDING"].fields["requests"].width) - 1
    if qos.outstanding > most:
        raise Invalid(f"{qos.outstanding} outstanding requests; this card can limit to 1 up to {most}", where)
    return qos.outstanding


def chunk_of(card: Card, qos: Qos) -> int:
    """Beats of the pieces into which a slice's bursts are split on a card with strict isolation."""
    return card.fabric.chunk if qos.chunk is None else qos.chunk // card.fabric.data_bytes


def halvings_register(card: Card, qos: Qos) -> int:
    """Value of QOS.halvings for a contract: how often its chunk is the card's, halved.

    Raises
    ------
    Invalid
        The card does not split bursts, or not into such pieces.
    """
    if qos.chunk is None:
        return 0
    fabric = card.fabric
    if fabric.isolation != "strict":
        raise Invalid("this card does not split bursts; leave it out", ("qos", "chunk"))
    choices = [fabric.chunk >> halvings for halvings in range(fabric.chunk.bit_length())]
    beats, rest = divmod(qos.chunk, fabric.data_bytes)
    if rest or beats not in choices:
        fine = ", ".join(format_bytes(choice * fabric.data_bytes) for choice in reversed(choices))
        raise Invalid(f"a chunk of {format_bytes(qos.chunk)}; this card can have {fine}", ("qos", "chunk"))
    return choices.index(beats)


def _bucket(card: Card, qos: Qos, name: str) -> tuple[int, int, int]:
    fabric, limit = card.fabric, getattr(qos, name)
    if limit is None:
        return 0, 0, 0
    fields = card.registers["slice"].registers
    unit = fabric.clock * fabric.data_bytes
    rate = limit * fabric.budget_period * (1 << fabric.budget_fraction_bits) // unit
    most = (1 << fields["RATE"].fields["rate"].width) - 1
    if not 1 <= rate <= most:
        step = unit / (fabric.budget_period << fabric.budget_fraction_bits)
        raise Invalid(
            f"a limit of {format_rate(limit)}; this card can limit to {format_rate(int(step) + 1)} "
            f"up to {format_rate(int(most * step))}", ("qos", name),
        )  # fmt: skip
    # A round is charged for when it is over, so what it brought may still stand there when the next one is added.
    most = (1 << fields["BURST"].fields["beats"].width) - 1
    least = min(most, -((-2 * rate) >> fabric.budget_fraction_bits))
    beats = max(MOST_BEATS, least) if qos.burst is None else qos.burst // fabric.data_bytes
    if not least <= beats <= most:
        assert qos.burst is not None
        raise Invalid(
            f"a burst of {format_bytes(qos.burst)}; with this limit the card can have "
            f"{format_bytes(least * fabric.data_bytes)} up to {format_bytes(most * fabric.data_bytes)}",
            ("qos", "burst"),
        )
    return rate, 1, beats


def check_guarantee_fits_limit(name: str, qos: Qos) -> None:
    """A guarantee is at most the limit; of a common limit the guarantees of reads and writes together.

    Raises
    ------
    Invalid
        Names the slice and both numbers.
    """
    own = {d: getattr(qos, f"{d}_guarantee") for d in DIRECTIONS if getattr(qos, f"{d}_guarantee") is not None}
    if own and qos.guarantee is not None:
        raise Invalid(
            f"slice {name!r} has a guarantee in each direction; give either guarantee or {next(iter(own))}_guarantee",
            ("qos", f"{next(iter(own))}_guarantee"),
        )
    if qos.limit is not None:
        wanted = qos.guarantee if qos.guarantee is not None else sum(own.values())
        member = "guarantee" if not own else f"{next(iter(own))}_guarantee"
        pairs = [(wanted, qos.limit, member)]
    else:
        pairs = [
            (guarantee_of(qos, d) or 0, getattr(qos, f"{d}_limit"), f"{d}_guarantee" if d in own else "guarantee")
            for d in DIRECTIONS
            if getattr(qos, f"{d}_limit") is not None
        ]
    for guarantee, limit, member in pairs:
        if guarantee > limit:
            raise Invalid(
                f"slice {name!r} is guaranteed {format_rate(guarantee)} and limited to {format_rate(limit)}; "
                "a guarantee is at most the limit", ("qos", member),
            )  # fmt: skip
