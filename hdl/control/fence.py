"""Which writes the card takes: those of its present owner, and the one by which a newer owner begins."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Fence(wiring.Component):
    """Compares the token that a write carries with the owner's.

    A write takes place if it carries the owner's token. The register that names the owner is the exception: it may be
    written with a token that is not older, if the value is that very token. So tokens never go back, and whoever has
    an older one cannot touch the card, however late it comes. The check is made as the write is carried out, one after
    the other, so nothing of the former owner can be left on its way.

    Latency: `allowed` is for the inputs of the cycle before.

    Parameters
    ----------
    token_bits : int

    Members
    -------
    token : In
        The token that the write carries.
    value : In(32)
        What it writes.
    whole : In(1)
        It writes all bytes.
    takes_over : In(1)
        It is for the register that names the owner.
    owner : In
        What that register holds.
    allowed : Out(1)
    """

    def __init__(self, token_bits: int) -> None:
        super().__init__(
            {
                "token": In(token_bits),
                "value": In(32),
                "whole": In(1),
                "takes_over": In(1),
                "owner": In(token_bits),
                "allowed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        newer = Signal()
        m.d.comb += newer.eq((self.token >= self.owner) & (self.value == self.token) & self.whole)
        m.d.sync += self.allowed.eq(Mux(self.takes_over, newer, self.token == self.owner))
        return m
