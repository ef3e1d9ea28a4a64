"""AXI4 and AXI4-Lite ports (AMBA AXI and ACE Protocol Specification, ARM IHI 0022H).

Members carry the specification's own names in lower case and point the way they do on the manager's side.
AxQOS and AxREGION of an initiator are not taken: classes come from the slice's contract, regions from its window.
"""

from enum import IntEnum

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Burst(IntEnum):
    """AxBURST (A3.4.1)."""

    FIXED = 0
    INCR = 1
    WRAP = 2


class Response(IntEnum):
    """xRESP (A3.4.4)."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


def _address(prefix: str, *, address_width: int, id_width: int, user_width: int) -> dict[str, wiring.Member]:
    return {
        f"{prefix}valid": Out(1),
        f"{prefix}ready": In(1),
        f"{prefix}id": Out(id_width),
        f"{prefix}addr": Out(address_width),
        f"{prefix}len": Out(8),
        f"{prefix}size": Out(3),
        f"{prefix}burst": Out(2),
        f"{prefix}lock": Out(1),
        f"{prefix}cache": Out(4),
        f"{prefix}prot": Out(3),
        f"{prefix}qos": Out(4),
        f"{prefix}user": Out(user_width),
    }


class Signature(wiring.Signature):
    """An AXI4 port as its manager sees it.

    Parameters
    ----------
    data_width, address_width, id_width, user_width : int
        Widths in bits; `user_width` is that of AxUSER.
    """

    def __init__(self, *, data_width: int, address_width: int, id_width: int, user_width: int) -> None:
        if data_width not in (32, 64, 128, 256, 512):
            raise ValueError(f"Data width must be 32, 64, 128, 256 or 512 bits, not {data_width!r}")
        self.data_width, self.address_width = data_width, address_width
        self.id_width, self.user_width = id_width, user_width
        address = {"address_width": address_width, "id_width": id_width, "user_width": user_width}
        super().__init__(
            {
                **_address("aw", **address),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(data_width),
                "wstrb": Out(data_width // 8),
                "wlast": Out(1),
                "bvalid": In(1),
                "bready": Out(1),
                "bid": In(id_width),
                "bresp": In(2),
                **_address("ar", **address),
                "rvalid": In(1),
                "rready": Out(1),
                "rid": In(id_width),
                "rdata": In(data_width),
                "rresp": In(2),
                "rlast": In(1),
            }
        )


class LiteSignature(wiring.Signature):
    """An AXI4-Lite port as its manager sees it.

    Parameters
    ----------
    address_width : int
        In bits.
    data_width : int
        32 or 64 bits, nothing else (IHI 0022H, B1.1.1).
    """

    def __init__(self, *, address_width: int, data_width: int = 32) -> None:
        if data_width not in (32, 64):
            raise ValueError(f"Data width of AXI4-Lite must be 32 or 64 bits, not {data_width!r}")
        self.address_width, self.data_width = address_width, data_width
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(address_width),
                "awprot": Out(3),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(data_width),
                "wstrb": Out(data_width // 8),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(address_width),
                "arprot": Out(3),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(data_width),
                "rresp": In(2),
            }
        )
