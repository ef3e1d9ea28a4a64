"""What an AXI port has at the edge of the card, and whether the card can have it so."""

from dataclasses import dataclass

from ..card.config import CardConfig, InitiatorConfig, TargetConfig
from ..errors import Misfit

LITE = "axi4lite"
LITE_WIDTHS = (32, 64)
"""Widths of AXI4-Lite (AMBA AXI and ACE, IHI 0022H, B1.1.1)."""


@dataclass(frozen=True)
class Edge:
    """A port as what is attached sees it; 0 stands for what the fabric has.

    Members
    -------
    protocol : str
        ``axi4`` or ``axi4lite``.
    data_width, id_width : int
        In bits; AXI4-Lite has 0 ID bits.
    outstanding : int
        Requests that an initiator port may have outstanding in each direction.
    """

    protocol: str = "axi4"
    data_width: int = 0
    id_width: int = 0
    outstanding: int = 0

    @property
    def lite(self) -> bool:
        """Whether the port is AXI4-Lite."""
        return self.protocol == LITE

    def on(self, fabric: "Edge") -> "Edge":
        """The same port with nothing left open, on a fabric whose own ports are `fabric`."""
        return Edge(
            self.protocol,
            self.data_width or fabric.data_width,
            0 if self.lite else self.id_width or fabric.id_width,
            self.outstanding or fabric.outstanding,
        )


AS_FABRIC = Edge()
"""A port that is what the fabric has."""


def _check_lite(config: CardConfig, location: tuple[str, str], own: InitiatorConfig | TargetConfig) -> None:
    width = own.data_width or config.fabric.data_width
    if width not in LITE_WIDTHS:
        at = "data_width" if own.data_width else "protocol"
        raise Misfit(
            (*location, at), f"AXI4-Lite with {width} bits of data; give the port a data_width of 32 or 64 bits"
        )
    if own.id_width is not None:
        raise Misfit(
            (*location, "id_width"), f"{own.id_width} ID bits on AXI4-Lite, which has no IDs; leave id_width out"
        )


def initiator_edge(config: CardConfig, name: str) -> Edge:
    """Edge of an initiator port.

    Raises
    ------
    Misfit
        The fabric cannot have such a port.
    """
    own, fabric, location = config.initiators[name], config.fabric, ("initiators", name)
    if own.protocol == LITE:
        _check_lite(config, location, own)
        if own.contexts > 1:
            raise Misfit(
                (*location, "contexts"),
                f"{own.contexts} contexts on AXI4-Lite, which has no AxUSER; make it 1, or the protocol axi4",
            )
    for what, given, most in (
        ("id_width", own.id_width, fabric.id_width),
        ("outstanding", own.outstanding, fabric.outstanding),
    ):
        if given is not None and given > most:
            raise Misfit((*location, what), f"{given} is more than the fabric's {most}; give at most {most}")
    return Edge(own.protocol, own.data_width or 0, own.id_width or 0, own.outstanding or 0)


def target_edge(config: CardConfig, name: str) -> Edge:
    """Edge of a target port.

    Raises
    ------
    Misfit
        There is no such port.
    """
    own = config.targets[name]
    if own.protocol == LITE:
        _check_lite(config, ("targets", name), own)
    return Edge(own.protocol, own.data_width or 0, own.id_width or 0)
