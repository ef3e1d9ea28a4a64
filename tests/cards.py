"""Random card descriptions, valid ones and ones with a known fault, for every test that is not about one card."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hdl.card.config import CardConfig
from hdl.plan import Plan
from hdl.plan.planner import elaborate

Description = dict[str, Any]
Location = tuple[str | int, ...]
KIBI = 1024


@dataclass
class Written:
    """A description as YAML text, one value a line, and the line (from 1) of each value."""

    text: str = ""
    lines: dict[Location, int] = field(default_factory=dict)

    def save(self, path: Path) -> Path:
        """Write the text to a file."""
        path.write_text(self.text, encoding="utf-8")
        return path


def _scalar(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return str(value)  # an empty mapping or list is the same in YAML


def write_yaml(description: Description) -> Written:
    """Write a description without help from the YAML library that reads it."""
    written = Written()
    lines: list[str] = []

    def write(value: object, at: Location, indent: str, head: str) -> None:
        if at:
            written.lines[at] = len(lines) + 1
        if isinstance(value, dict) and value:
            if at:
                lines.append(head)
            for key, member in value.items():
                deeper = indent + "  " if at else indent
                write(member, (*at, key), deeper, f"{deeper}{key}:")
        elif isinstance(value, list) and value:
            lines.append(head)
            for index, member in enumerate(value):
                write(member, (*at, index), indent + "  ", f"{indent}  -")
        else:
            lines.append(f"{head} {_scalar(value)}")

    write(description, (), "", "")
    written.text = "\n".join(lines) + "\n"
    return written


@st.composite
def random_cards(
    draw: st.DrawFn, *, ports: int = 4, contexts: int = 4, window_granules: int = 64, granules: int = 16
) -> Description:
    """Valid card descriptions, within the given sizes (ports count on each side, without those of PCIe devices)."""

    def power(low: int, high: int) -> int:
        return 1 << draw(st.integers(low.bit_length() - 1, high.bit_length() - 1))

    granule = power(4 * KIBI, 64 * KIBI)
    window = granule * power(1, window_granules)
    fabric = {
        "data_width": power(32, 512),
        "address_width": draw(st.integers(max(16, (window - 1).bit_length()), 64)),
        "id_width": draw(st.integers(1, 8)),
        "slices": draw(st.integers(1, 32)),
        "keys": draw(st.integers(2, 256)),
        "classes": power(1, 8),
        "granule": granule,
        "window": draw(st.sampled_from([window, f"{window // KIBI}KiB"])),
        "outstanding": power(2, 32),
        "ordering": draw(st.sampled_from(["reorder", "stall"])),
        "isolation": draw(st.sampled_from(["basic", "strict"])),
        "chunk": power(1, 16),
        "budgets": draw(st.sampled_from(["common", "separate"])),
        "slice_outstanding": draw(st.booleans()),
        "load_unit": draw(st.sampled_from((None, 2, 16))),
        "fault_log": power(4, 256),
        "clock": draw(st.sampled_from(["100MHz", "33.3MHz", 250_000_000])),
    }
    initiators: dict[str, Any] = {}
    for index in range(draw(st.integers(1, ports))):
        kind = draw(st.sampled_from(["host", "core", "device"]))
        initiators[f"{kind}{index}"] = {"kind": kind}
        if kind == "host":
            initiators[f"{kind}{index}"]["contexts"] = draw(st.integers(1, contexts))
    targets: dict[str, Any] = {}
    for index in range(draw(st.integers(1, ports))):
        kind = draw(st.sampled_from(["memory", "registers", "peripheral"]))
        targets[f"{kind[0]}_{index}"] = {"kind": kind, "size": granule * draw(st.integers(1, granules))}
        if fabric["isolation"] == "strict" and draw(st.booleans()):
            targets[f"{kind[0]}_{index}"] |= {"timeout": power(1024, 65536), "time_slots": power(4, 64)}
    description: Description = {"card": "sample", "fabric": fabric, "initiators": initiators, "targets": targets}
    sources, sinks = list(initiators), list(targets)
    for port in (*initiators.values(), *targets.values()):
        port |= draw(_edges(fabric, port))
    if draw(st.booleans()):
        lanes = draw(st.integers(1, 32))
        devices = {}
        for index in range(draw(st.integers(1, 2))):
            width = draw(st.sampled_from([width for width in (1, 2, 4, 8, 16) if width <= lanes]))
            devices[f"nvme{index}"] = {"registers": granule * draw(st.integers(1, 2)), "lanes": width}
        description["pcie"] = {"lanes": lanes, "devices": devices}
        sources += [f"{name}_dma" for name in devices]
        sinks += [f"{name}_registers" for name in devices]
    if draw(st.booleans()):
        description["connectivity"] = _sparse(draw, sources, sinks)
    return description


@st.composite
def _edges(draw: st.DrawFn, fabric: dict[str, Any], port: dict[str, Any]) -> dict[str, Any]:
    """What a port may have that the fabric does not; half of the ports have nothing."""
    if draw(st.booleans()):
        return {}
    edge: dict[str, Any] = {}
    initiator = "size" not in port
    if port.get("contexts", 1) == 1 and draw(st.booleans()):
        edge |= {"protocol": "axi4lite", "data_width": draw(st.sampled_from([32, 64]))}
    else:
        edge |= {"data_width": draw(st.sampled_from([32, 64, 128, 256, 512]))}
        if draw(st.booleans()):
            edge["id_width"] = draw(st.integers(1, fabric["id_width"] if initiator else 16))
    if initiator and draw(st.booleans()):
        edge["outstanding"] = draw(st.integers(1, fabric["outstanding"]))
    return edge


def _sparse(draw: st.DrawFn, sources: list[str], sinks: list[str]) -> dict[str, list[str]]:
    """Lists of targets for all or some initiators, so that every target is reached by somebody."""
    named = draw(st.lists(st.sampled_from(sources), unique=True, min_size=1))
    rows = {name: draw(st.lists(st.sampled_from(sinks), unique=True, min_size=1)) for name in named}
    if len(named) == len(sources):
        for sink in sinks:
            if not any(sink in row for row in rows.values()):
                rows[draw(st.sampled_from(named))].append(sink)
    return rows


def plan_of(description: Description) -> Plan:
    """The plan of a valid description, without a file."""
    return elaborate(CardConfig.model_validate(description))


def random_plans(**sizes: int) -> st.SearchStrategy[Plan]:
    """Plans of valid cards; takes the arguments of `random_cards`."""
    return random_cards(**sizes).map(plan_of)


@dataclass(frozen=True)
class Fault:
    """One way to make any valid description wrong.

    Members
    -------
    name : str
        What is wrong.
    spoil : callable
        Changes a description in place and returns the location that the message must name.
    says : tuple of str
        What the message must contain: the wrong value, and what would be right.
    """

    name: str
    spoil: Callable[[Description], Location]
    says: tuple[str, ...]

    def apply(self, description: Description) -> tuple[Description, Location]:
        """A spoiled copy, and where the fault is."""
        spoiled = deepcopy(description)
        return spoiled, self.spoil(spoiled)


def _set(*location: str, to: object, below: Location = ()) -> Callable[[Description], Location]:
    """Sets a value in a mapping that every description has; `below` leads to the wrong part of the value."""

    def spoil(description: Description) -> Location:
        node = description
        for step in location[:-1]:
            node = node[step]
        node[location[-1]] = to
        return (*location, *below)

    return spoil


def _drop(*location: str) -> Callable[[Description], Location]:
    def spoil(description: Description) -> Location:
        node = description
        for step in location[:-1]:
            node = node[step]
        del node[location[-1]]
        return location

    return spoil


def _confuse(name: Callable[[str], str]) -> Callable[[Description], Location]:
    """Adds a target whose name is made from that of the first initiator."""

    def spoil(description: Description) -> Location:
        wrong = name(next(iter(description["initiators"])))
        description["targets"][wrong] = {"kind": "memory", "size": description["fabric"]["granule"]}
        return ("targets", wrong)

    return spoil


def _resize(size: Callable[[int], int]) -> Callable[[Description], Location]:
    """Gives the first target a size that is made from the granule."""

    def spoil(description: Description) -> Location:
        name = next(iter(description["targets"]))
        description["targets"][name]["size"] = size(description["fabric"]["granule"])
        return ("targets", name, "size")

    return spoil


def _port(side: str, port: dict[str, Any], wrong: str, fabric: dict[str, Any]) -> Callable[[Description], Location]:
    """Adds a port that does not go with the fabric, which gets these values; no other port has demands of its own."""

    def spoil(description: Description) -> Location:
        for other in (*description["initiators"].values(), *description["targets"].values()):
            for name in ("protocol", "data_width", "id_width", "outstanding"):
                other.pop(name, None)
        description.pop("connectivity", None)
        description["fabric"] |= fabric
        description[side]["odd"] = port
        return (side, "odd", wrong)

    return spoil


def _window(size: Callable[[int], int], address_width: int = 64) -> Callable[[Description], Location]:
    def spoil(description: Description) -> Location:
        description["fabric"]["address_width"] = address_width
        description["fabric"]["window"] = size(description["fabric"]["granule"])
        return ("fabric", "window")

    return spoil


def _connect(rows: Callable[[Description], tuple[dict[str, Any], Location]]) -> Callable[[Description], Location]:
    def spoil(description: Description) -> Location:
        description["connectivity"], location = rows(description)
        return ("connectivity", *location)

    return spoil


def _crowd(description: Description) -> Location:
    for index in range(33):
        description["targets"][f"extra{index}"] = {"kind": "peripheral", "size": description["fabric"]["granule"]}
    return ("targets",)


def _unreached(description: Description) -> Location:
    """All initiators reach the same targets, and there is one more."""
    description.pop("pcie", None)
    reached = list(description["targets"])
    description["targets"]["lonely"] = {"kind": "memory", "size": description["fabric"]["granule"]}
    description["connectivity"] = dict.fromkeys(description["initiators"], reached)
    return ("connectivity",)


def _device(lanes: int, registers: int = 1, name: str = "disk") -> Callable[[Description], Location]:
    def spoil(description: Description) -> Location:
        size = description["fabric"]["granule"] * registers + (registers > 1)
        description["pcie"] = {"lanes": 4, "devices": {name: {"registers": size, "lanes": lanes}}}
        description.pop("connectivity", None)
        return ("pcie", "devices", name, "registers" if registers > 1 else "lanes")

    return spoil


def _first(description: Description, side: str) -> str:
    return str(next(iter(description[side])))


FAULTS = (
    Fault("no card name", _drop("card"), ("card: is missing", "schema card")),
    Fault("no fabric", _drop("fabric"), ("fabric: is missing",)),
    Fault("fabric without slices", _drop("fabric", "slices"), ("fabric.slices: is missing",)),
    Fault("unknown parameter", _set("fabric", "colour", to=3), ("fabric.colour: is not a known parameter",)),
    Fault("unknown section", _set("colours", to=["red"]), ("colours: is not a known parameter",)),
    Fault("words for a number", _set("fabric", "slices", to="eight"), ("'eight'", "whole number")),
    Fault("text that looks like a number", _set("fabric", "slices", to="8"), ("'8'", "whole number")),
    Fault("fraction", _set("fabric", "slices", to=8.5), ("8.5", "whole number")),
    Fault("truth for a number", _set("fabric", "slices", to=True), ("true", "whole number")),
    Fault("truth for a choice", _set("fabric", "classes", to=True), ("true", "whole number")),
    Fault("nothing for a number", _set("fabric", "slices", to=None), ("nothing", "whole number")),
    Fault("mapping for a number", _set("fabric", "slices", to={"a": 1}), ("a mapping", "whole number")),
    Fault("number for a mapping", _set("fabric", to=3), ("3", "mapping")),
    Fault("list for a mapping", _set("targets", to=["bank"]), ("a list", "mapping")),
    Fault("number for a name", _set("card", to=5), ("5", "not text")),
    Fault("no slices", _set("fabric", "slices", to=0), ("0", "greater than or equal to 1")),
    Fault("too many slices", _set("fabric", "slices", to=33), ("33", "less than or equal to 32")),
    Fault("one key", _set("fabric", "keys", to=1), ("1", "greater than or equal to 2")),
    Fault("huge number", _set("fabric", "keys", to=10**30), (f"{10**30}", "less than or equal to 256")),
    Fault("odd data width", _set("fabric", "data_width", to=48), ("48", "32, 64, 128, 256 or 512")),
    Fault("narrow addresses", _set("fabric", "address_width", to=15), ("15", "16")),
    Fault("wide addresses", _set("fabric", "address_width", to=65), ("65", "64")),
    Fault("no IDs", _set("fabric", "id_width", to=0), ("0", "1")),
    Fault("other topology", _set("fabric", "topology", to="star"), ("'star'", "'crossbar'", "'mesh'")),
    Fault("odd queue", _set("fabric", "outstanding", to=3), ("3", "2, 4, 8, 16 or 32")),
    Fault("odd log", _set("fabric", "fault_log", to=5), ("5", "256")),
    Fault("unit of another quantity", _set("fabric", "granule", to="4kHz"), ("'4kHz'", "4KiB")),
    Fault("unit of clock", _set("fabric", "clock", to="100 parsecs"), ("'100 parsecs'", "100MHz")),
    Fault("no clock", _set("fabric", "clock", to=0), ("0", "positive")),
    Fault("list for a size", _set("fabric", "granule", to=[4096]), ("a list", "4KiB")),
    Fault("fraction of a byte", _set("fabric", "granule", to="0.3KiB"), ("'0.3KiB'", "whole")),
    Fault("granule of three pages", _set("fabric", "granule", to="12KiB"), ("12KiB", "power of two")),
    Fault("granule below a burst", _set("fabric", "granule", to="2KiB"), ("2KiB", "from 4KiB")),
    Fault("granule of gibibytes", _set("fabric", "granule", to="2GiB"), ("2GiB", "to 1GiB")),
    Fault("window of three granules", _window(lambda granule: 3 * granule), ("power of two",)),
    Fault("window below a granule", _window(lambda granule: granule // 2), ("one granule",)),
    Fault("window too large", _window(lambda granule: granule << 17), ("65536 granules",)),
    Fault("window beyond addresses", _window(lambda granule: granule * 32, 16), ("address_width 16", "at least")),
    Fault("long name", _set("card", to="a" * 25), ("longer than 24 characters",)),
    Fault("capitals", _set("card", to="Quad"), ("'Quad'", "lower-case")),
    Fault("two underscores", _set("card", to="a__b"), ("'a__b'", "single underscores")),
    Fault("Verilog word for the card", _set("card", to="module"), ("'module'", "reserved word")),
    Fault("two lines", _set("description", to="a\nb"), ("one line",)),
    Fault("port name with a dash", _confuse(lambda name: "a-b"), ("'a-b'", "lower-case")),
    Fault("VHDL word for a port", _confuse(lambda name: "entity"), ("'entity'", "reserved word")),
    Fault("name of another port", _confuse(lambda name: name), ("confused", "choose another name")),
    Fault("longer name", _confuse(lambda name: f"{name}_x"), ("confused", "choose another name")),
    Fault("no initiators", _set("initiators", to={}), ("nothing in it", "at least one")),
    Fault("no targets", _set("targets", to={}), ("nothing in it", "at least one")),
    Fault(
        "unknown kind",
        _set("initiators", "odd", to={"kind": "robot"}, below=("kind",)),
        ("'robot'", "'host', 'core' or 'device'"),
    ),
    Fault(
        "many contexts",
        _set("initiators", "odd", to={"kind": "host", "contexts": 65}, below=("contexts",)),
        ("65", "64"),
    ),
    Fault(
        "contexts of a core",
        _set("initiators", "odd", to={"kind": "core", "contexts": 2}, below=("contexts",)),
        ("2", "only a host"),
    ),
    Fault(
        "more IDs than the fabric",
        _port("initiators", {"kind": "core", "id_width": 8}, "id_width", {"id_width": 2}),
        ("8", "the fabric's 2", "at most 2"),
    ),
    Fault(
        "more outstanding than the fabric",
        _port("initiators", {"kind": "core", "outstanding": 5}, "outstanding", {"outstanding": 4}),
        ("5", "the fabric's 4", "at most 4"),
    ),
    Fault(
        "contexts on AXI4-Lite",
        _port("initiators", {"kind": "host", "contexts": 2, "protocol": "axi4lite"}, "contexts", {"data_width": 32}),
        ("2 contexts", "no AxUSER", "make it 1"),
    ),
    Fault(
        "IDs on AXI4-Lite",
        _port(
            "targets",
            {"kind": "memory", "size": "1MiB", "protocol": "axi4lite", "id_width": 1},
            "id_width",
            {"data_width": 32},
        ),
        ("no IDs", "leave id_width out"),
    ),
    Fault(
        "AXI4-Lite as wide as the fabric",
        _port("initiators", {"kind": "core", "protocol": "axi4lite"}, "protocol", {"data_width": 128}),
        ("128 bits", "data_width of 32 or 64"),
    ),
    Fault(
        "wide AXI4-Lite",
        _port(
            "targets", {"kind": "memory", "size": "1MiB", "protocol": "axi4lite", "data_width": 256}, "data_width", {}
        ),
        ("256 bits", "data_width of 32 or 64"),
    ),
    Fault(
        "other protocol",
        _port("targets", {"kind": "memory", "size": "1MiB", "protocol": "ahb"}, "protocol", {}),
        ("'ahb'", "'axi4' or 'axi4lite'"),
    ),
    Fault("target without size", _set("targets", "odd", to={"kind": "memory"}), ("size: is missing",)),
    Fault("size between granules", _resize(lambda granule: granule + 1), ("whole number of granules",)),
    Fault("too many granules", _resize(lambda granule: granule << 21), ("larger granule",)),
    Fault("negative size", _resize(lambda granule: -granule), ("positive",)),
    Fault("too many ports", _crowd, ("at most 32",)),
    Fault("link wider than the card", _device(lanes=8), ("x8", "4 lanes")),
    Fault("link of three lanes", _device(lanes=3), ("3", "1, 2, 4, 8 or 16")),
    Fault("device with half a granule", _device(lanes=1, registers=2), ("whole number of granules",)),
    Fault(
        "no devices",
        _set("pcie", to={"lanes": 4, "devices": {}}, below=("devices",)),
        ("nothing in it", "at least one"),
    ),
    Fault("target that nobody reaches", _unreached, ("'lonely'", "at least one list")),
    Fault(
        "connectivity of nobody",
        _connect(lambda card: ({"nobody": [_first(card, "targets")]}, ("nobody",))),
        ("'nobody'", "initiators are"),
    ),
    Fault(
        "connectivity to nowhere",
        _connect(lambda card: ({_first(card, "initiators"): ["nowhere"]}, (_first(card, "initiators"), 0))),
        ("'nowhere'", "targets are"),
    ),
    Fault(
        "connectivity without targets",
        _connect(lambda card: ({_first(card, "initiators"): []}, (_first(card, "initiators"),))),
        ("no target", "at least one"),
    ),
    Fault(
        "connectivity twice",
        _connect(
            lambda card: (
                {_first(card, "initiators"): [_first(card, "targets")] * 2},
                (_first(card, "initiators"), 1),
            )
        ),
        ("twice", "once"),
    ),
    Fault(
        "connectivity without a list",
        _connect(lambda card: ({_first(card, "initiators"): "bank"}, (_first(card, "initiators"),))),
        ("'bank'", "list"),
    ),
)
"""Every rule of a card description, broken once; each applies to any valid description."""
