"""The card description as a person writes it (pydantic).

These classes check each value by itself. What depends on several values, such as a target that the
address map cannot hold, is checked by :mod:`hdl.plan`.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints

from .units import Bytes, Hertz

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=24)]


def _one_line(text: str) -> str:
    """Text without line breaks, since it ends up in titles and comments."""
    if not text.strip().isprintable():
        raise ValueError("has line breaks or control characters; write one line of text")
    return text.strip()


def _whole(value: object) -> object:
    """Refuses what equals a whole number but is none: a literal would take ``true`` for 1 and 8.0 for 8."""
    if isinstance(value, bool | float):
        raise ValueError("is not a whole number")
    return value


_NAMED: dict[str, JsonValue] = {"additionalProperties": False}
"""JSON Schema of a mapping whose keys are names: no others."""

Line = Annotated[str, StringConstraints(max_length=200), AfterValidator(_one_line)]
Whole = BeforeValidator(_whole)
LinkWidth = Annotated[Literal[1, 2, 4, 8, 16], Whole]
DataWidth = Annotated[Literal[32, 64, 128, 256, 512], Whole]
Protocol = Literal["axi4", "axi4lite"]


ExpectedLoad = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description="Part of the port's beats that are expected to be used; of a network, ports that say much to each "
        "other are placed near each other.",
    ),
]
Timeout = Annotated[
    int | None,
    Field(
        ge=4,
        le=1 << 24,
        description="With `isolation: strict`: cycles, a power of two, after which the target is cut off if it has not "
        "answered a request; after twice as many it certainly is. Never, if left out.",
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FabricConfig(_Model):
    """Parameters of the interconnect."""

    topology: Literal["crossbar", "ring", "mesh", "torus", "custom"] = Field(
        "crossbar", description="Arrangement of the switches: one, or a network of routers, which `network` describes."
    )
    data_width: DataWidth = Field(
        64, description="AXI data width of the fabric and of every port that does not say otherwise, in bits."
    )
    address_width: int = Field(32, ge=16, le=64, description="Address width of the initiator ports, in bits.")
    id_width: int = Field(
        4, ge=1, le=8, description="AXI ID width of the initiator ports that do not say otherwise, in bits."
    )
    slices: int = Field(description="Number of hardware slices.", ge=1, le=32)
    keys: int = Field(description="Number of protection keys; key 0 belongs to nobody.", ge=2, le=256)
    classes: Annotated[Literal[1, 2, 4, 8], Whole] = Field(
        4, description="Number of QoS classes; the highest number goes first."
    )
    granule: Bytes = Field(
        4096, description="Smallest piece of memory that can change owner: a power of two, 4KiB to 1GiB."
    )
    window: Bytes = Field(description="Address space that one context sees: a power of two, in whole granules.")
    outstanding: Annotated[Literal[2, 4, 8, 16, 32], Whole] = Field(
        16, description="Requests that one initiator may have outstanding, in each direction."
    )
    ordering: Literal["reorder", "stall"] = Field(
        "reorder",
        description="Whether a request waits while an older one of its ID is outstanding at another target.",
    )
    isolation: Literal["basic", "strict"] = Field(
        "basic",
        description="Whether nobody can hold up anybody else: `strict` reserves room for every answer before its "
        "request leaves, lets a write leave when its data is there, and splits long bursts.",
    )
    chunk: Annotated[Literal[1, 2, 4, 8, 16], Whole] = Field(
        8,
        description="Beats of the pieces into which `isolation: strict` splits INCR bursts; a slice may have smaller "
        "ones.",
    )
    budgets: Literal["common", "separate"] = Field(
        "common",
        description="Whether a contract can limit reads and writes each by themselves (`separate`), or only together.",
    )
    slice_outstanding: bool = Field(
        False,
        description="Whether a contract can limit the requests that a slice has outstanding over all its ports.",
    )
    load_unit: Annotated[Literal[2, 4, 8, 16, 32, 64, 128, 256] | None, Whole] = Field(
        None,
        description="Cycles of waiting for a target's grant below which its load counts as light; each target then "
        "tells its load level for each slice. Nothing is built if left out.",
    )
    fault_log: Annotated[Literal[4, 8, 16, 32, 64, 128, 256], Whole] = Field(
        16, description="Entries of the fault log."
    )
    clock: Hertz = Field(description="Clock of the fabric.")


class InitiatorConfig(_Model):
    """A port on which requests enter the fabric."""

    kind: Literal["host", "core", "device"] = Field(description="What is attached.")
    contexts: int = Field(
        1, ge=1, le=64, description="Contexts that share the port, told apart by AxUSER (hosts only)."
    )
    protocol: Protocol = Field("axi4", description="AXI4, or AXI4-Lite with 32 or 64 bits of data.")
    data_width: DataWidth | None = Field(None, description="AXI data width of the port; as the fabric's if left out.")
    id_width: int | None = Field(
        None, ge=1, le=8, description="AXI ID width of the port, at most the fabric's; as the fabric's if left out."
    )
    outstanding: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Requests that the port may have outstanding, in each direction, at most the fabric's; as the "
        "fabric's if left out.",
    )
    expected_load: ExpectedLoad = 1.0


class TargetConfig(_Model):
    """A port on which requests leave the fabric."""

    kind: Literal["memory", "registers", "peripheral"] = Field(description="What is attached.")
    size: Bytes = Field(description="Bytes behind the port, in whole granules.")
    ahead: int = Field(
        64,
        ge=5,
        le=4096,
        description="Beats of reads that the target is asked for ahead of those it has given: at least its latency in "
        "cycles plus 4. The fewer, the shorter everybody waits behind long bursts.",
    )
    timeout: Timeout = None
    time_slots: Annotated[Literal[4, 8, 16, 32, 64] | None, Whole] = Field(
        None,
        description="With `isolation: strict`: time slots of the target. A slice can have some of them for itself; "
        "nobody else's traffic changes its timing then. None, if left out.",
    )
    protocol: Protocol = Field("axi4", description="AXI4, or AXI4-Lite with 32 or 64 bits of data.")
    data_width: DataWidth | None = Field(None, description="AXI data width of the port; as the fabric's if left out.")
    id_width: int | None = Field(
        None,
        ge=1,
        le=16,
        description="AXI ID width of the port. With fewer bits than the fabric needs, IDs are remapped; as the fabric "
        "needs if left out.",
    )
    expected_load: ExpectedLoad = 1.0


class DeviceConfig(_Model):
    """A PCIe device: a register target and a DMA initiator that change slice together."""

    registers: Bytes = Field(description="Size of the device's registers, in whole granules.")
    lanes: LinkWidth = Field(description="Widest link of the device's controller.")
    timeout: Timeout = None


class PcieConfig(_Model):
    """PCIe lanes of the card, and the devices that they can be steered to."""

    lanes: int = Field(ge=1, le=32, description="Physical lanes of the card.")
    devices: dict[Name, DeviceConfig] = Field(min_length=1, description="Devices by name.", json_schema_extra=_NAMED)


class NetworkConfig(_Model):
    """The routers of a card whose topology is not `crossbar`, and what is attached where."""

    routers: int | None = Field(None, ge=3, le=64, description="Routers of a ring; they are called r0, r1 and so on.")
    columns: int | None = Field(
        None, ge=1, le=64, description="Routers in a row of a mesh or torus; they are called x0y0, x1y0 and so on."
    )
    rows: int | None = Field(None, ge=1, le=64, description="Rows of a mesh or torus.")
    links: dict[Name, list[Name]] | None = Field(
        None, description="Of a custom network: the routers that each router is linked with. A link goes both ways."
    )
    place: dict[Name, Name] | None = Field(
        None, description="Routers of ports. For ports that are not named, routers are found that keep flows short."
    )
    ports_per_router: int | None = Field(
        None, ge=1, le=16, description="Ports at a router, at most; as few as will do, if left out."
    )
    routes: dict[Name, dict[Name, list[Name]]] | None = Field(
        None,
        description="Of a custom network: by initiator and target, the routers that requests pass; answers come back "
        "the same way. Other flows take the shortest way that goes up towards a root first and then only down.",
    )
    hop_cycles: Annotated[Literal[1, 2], Whole] = Field(
        1, description="Cycles from router to router, if nobody is in the way."
    )


class CardConfig(_Model):
    """An offload card."""

    card: Name = Field(description="Name of the card; also the name of the top module.")
    description: Line = Field("", description="One line for people.")
    fabric: FabricConfig = Field(description="The interconnect and its tables.")
    initiators: dict[Name, InitiatorConfig] = Field(
        min_length=1, description="Initiator ports by name.", json_schema_extra=_NAMED
    )
    targets: dict[Name, TargetConfig] = Field(
        min_length=1, description="Target ports by name.", json_schema_extra=_NAMED
    )
    pcie: PcieConfig | None = Field(None, description="PCIe lanes and devices.")
    network: NetworkConfig | None = Field(None, description="Routers, unless the topology is `crossbar`.")
    connectivity: dict[Name, list[Name]] | None = Field(
        None, description="Targets that each initiator reaches; an initiator that is not named reaches all."
    )
