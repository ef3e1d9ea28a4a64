"""The recorder: a simulation-only Verilog module, bound to a card, that writes down what happens at its ports.

It sees what a logic analyser on the card's pins would see, no internal signal; only at a port with adapters it looks
between them and the data plane, where widths and IDs are those of the fabric. With ``+trace=<folder>`` it writes:

``events.txt``
    A line for each handshake, ``<cycle> <port> <channel> <fields>``, and for each change of a signal beside AXI,
    ``<cycle> <port> <signal> <value>``; the card's own signals have the port ``-``. The cycle is decimal, the rest
    hexadecimal. ``<cycle> <port> unstable <channel>`` says that the card has taken back or changed what it offered
    in the cycle before, which AXI forbids (IHI 0022H, A3.2.1); the number is the place in :data:`CHANNELS`. Ports in
    reset and targets that are cut off are left out of that. Nothing is written while `rst` is high but `rst` itself.
``signals_<initiator>.txt``, with ``+signals``
    First a line with the names and widths of all signals of the port, most significant first. Then
    ``<cycle> <value of all of them>`` whenever it differs from the cycle before.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .bench.lanes import LANE_BITS

ADDRESS_FIELDS = ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "user")
CHANNELS = {
    "aw": ADDRESS_FIELDS,
    "w": ("data", "strb", "last"),
    "b": ("id", "resp"),
    "ar": ADDRESS_FIELDS,
    "r": ("id", "data", "resp", "last"),
}
"""Fields of each AXI4 channel as they are written, in this order."""
LITE_CHANNELS = {"aw": ("addr",), "w": ("data", "strb"), "b": ("resp",), "ar": ("addr",), "r": ("data", "resp")}
"""Fields of each AXI4-Lite channel as they are written, in this order."""

Ports = dict[str, int]
"""Names and widths of signals, in order."""


def axi_signals(manifest: dict[str, Any], port: str) -> Ports:
    """Names and widths in bits of the AXI4 signals of an initiator or target port; KeyError if there is none."""
    fabric = manifest["fabric"]
    target = next((target for target in manifest["targets"] if target["name"] == port), None)
    if target is None and all(initiator["name"] != port for initiator in manifest["initiators"]):
        raise KeyError(port)
    data, identity = fabric["data_width"], fabric["target_id_width" if target else "id_width"]
    widths = {
        "id": identity, "addr": target["address_bits"] if target else fabric["address_width"],
        "len": 8, "size": 3, "burst": 2, "lock": 1, "cache": 4, "prot": 3, "qos": 4,
        "user": fabric["target_user_width" if target else "user_width"],
        "data": data, "strb": data // 8, "last": 1, "resp": 2, "valid": 1, "ready": 1,
    }  # fmt: skip
    signals: Ports = {}
    for channel, fields in CHANNELS.items():
        extra = ("qos",) if channel in ("aw", "ar") else ()
        for field in ("valid", "ready", *fields, *extra):
            signals[f"{port}_{channel}{field}"] = widths[field]
    return signals


def adapted(manifest: dict[str, Any]) -> list[str]:
    """Names of the ports that are not what the fabric has, so that adapters stand between them and the data plane."""
    fabric = manifest["fabric"]
    own = {"protocol": "axi4", "data_width": fabric["data_width"]}
    sides = {
        "initiators": own | {"id_width": fabric["id_width"], "outstanding": fabric["outstanding"]},
        "targets": own | {"id_width": fabric["target_id_width"]},
    }
    return [
        port["name"]
        for side, usual in sides.items()
        for port in manifest[side]
        if any(port[name] != value for name, value in usual.items())
    ]


def lite_signals(manifest: dict[str, Any]) -> Ports:
    """Names and widths in bits of the register port's signals."""
    address = manifest["fabric"]["register_bits"] + manifest["fabric"]["token_bits"]
    widths = {"addr": address, "prot": 3, "data": 32, "strb": 4, "resp": 2, "valid": 1, "ready": 1}
    signals: Ports = {}
    for channel, fields in LITE_CHANNELS.items():
        extra = ("prot",) if channel in ("aw", "ar") else ()
        for field in ("valid", "ready", *fields, *extra):
            signals[f"control_{channel}{field}"] = widths[field]
    return signals


def side_signals(manifest: dict[str, Any]) -> dict[str, Ports]:
    """Signals beside AXI, by the port that they belong to; ``-`` is the card."""
    fabric = manifest["fabric"]
    width = fabric["address_width"]
    sides: dict[str, Ports] = {"-": {"interrupt": 1}}
    for port in manifest["initiators"]:
        name = port["name"]
        if port["kind"] == "core":
            sides[name] = {f"{name}_reset": 1, f"{name}_hold": 1, f"{name}_boot_address": width}
        elif port["kind"] == "device":
            sides[name] = {f"{name}_reset": 1}
    for port in manifest["targets"]:
        if port["timeout"]:
            sides[port["name"]] = {f"{port['name']}_cut_off": 1}
    if fabric["load_unit"]:
        for port in manifest["targets"]:
            levels = (len(manifest["enumerations"]["load_level"]) - 1).bit_length()
            sides.setdefault(port["name"], {})[f"{port['name']}_load"] = levels * fabric["slices"]
    pcie = manifest["pcie"]
    for way in ("rx", "tx") if pcie["lanes"] else ():
        sides["-"][f"lane_{way}"] = pcie["lanes"] * LANE_BITS
        for device in pcie["devices"]:
            side = sides.setdefault(device["name"], {})
            side[f"{device['name']}_lane_{way}"] = device["lanes"] * LANE_BITS
    return sides


def _declare(width: int, name: str, kind: str = "input wire") -> str:
    return f"{kind} [{width - 1}:0] {name}" if width > 1 else f"{kind} {name}"


def _handshakes(port: str, channels: dict[str, tuple[str, ...]]) -> list[str]:
    lines = []
    for channel, fields in channels.items():
        formats = " ".join(["%0h"] * len(fields))
        values = ", ".join(f"{port}_{channel}{field}" for field in fields)
        lines.append(
            f"      if ({port}_{channel}valid && {port}_{channel}ready) "
            f'$fwrite(events, "%0d {port} {channel.upper()} {formats}\\n", cycle, {values});'
        )
    return lines


def _stability(port: str, channels: Sequence[str], fields: dict[str, tuple[str, ...]], excused: str) -> list[str]:
    """Lines of the module that watch what the card offers on some channels of a port; `excused` is a condition."""
    lines = []
    for channel in channels:
        offer = "{" + ", ".join(f"{port}_{channel}{field}" for field in fields[channel]) + "}"
        kept, name = f"kept_{port}_{channel}", f"{port}_{channel}"
        lines += [
            f"  logic [$bits({offer}):0] {kept} = '0;  // what stands from the cycle before, and whether anything does",
            "  always @(posedge clk) begin",
            f"    {kept} <= {{{offer}, {name}valid && !{name}ready && !rst && !({excused})}};",
            f"    if (events != 0 && !rst && {kept}[0] && !({excused}) && {{{offer}, {name}valid}} != {kept})",
            f'      $fwrite(events, "%0d {port} unstable {list(fields).index(channel):x}\\n", cycle);',
            "  end",
        ]
    return lines


def _changes(sides: dict[str, Ports]) -> tuple[list[str], list[str]]:
    """Declarations and statements for signals that are written whenever they change, and once at start."""
    declarations, statements = [], []
    for owner, signals in sides.items():
        for name, width in signals.items():
            short = name.removeprefix(owner + "_")
            declarations.append(f"  {_declare(width, f'last_{name}', 'logic')};")
            statements += [
                f"      if (!started || {name} != last_{name})"
                f' $fwrite(events, "%0d {owner} {short} %0h\\n", cycle, {name});',
                f"      last_{name} <= {name};",
            ]
    return declarations, statements


def _waves(port: str, signals: Ports) -> list[str]:
    """Statements that write all signals of a port, as one number, whenever one of them has changed."""
    names, width = ", ".join(signals), sum(signals.values())
    header = " ".join(f"{name.removeprefix(port + '_')}:{bits}" for name, bits in signals.items())
    return [
        f"  int wave_{port};",
        f"  logic [{width - 1}:0] now_{port}, before_{port};",
        f"  assign now_{port} = {{{names}}};",
        "  initial begin",
        f"    wave_{port} = 0;",
        '    if ($value$plusargs("trace=%s", directory) && $test$plusargs("signals")) begin',
        f'      wave_{port} = $fopen({{directory, "/signals_{port}.txt"}}, "w");',
        f'      $fwrite(wave_{port}, "# {header}\\n");',
        "    end",
        "  end",
        f"  always @(posedge clk) if (wave_{port} != 0) begin",
        f'    if (!started || now_{port} != before_{port}) $fwrite(wave_{port}, "%0d %h\\n", cycle, now_{port});',
        f"    before_{port} <= now_{port};",
        "  end",
        f"  final if (wave_{port} != 0) $fclose(wave_{port});",
        "",
    ]


def recorder(manifest: dict[str, Any]) -> str:
    """The recorder's SystemVerilog. Cycle 0 is the first rising edge of `clk`; values are those just before an edge."""
    card = manifest["card"]
    initiators = [port["name"] for port in manifest["initiators"]]
    names = [*initiators, *(port["name"] for port in manifest["targets"])]
    sides = side_signals(manifest)
    signals: Ports = {"clk": 1, "rst": 1} | lite_signals(manifest)
    for name in names:
        signals |= axi_signals(manifest, name)
    for side in sides.values():
        signals |= side
    # While the card is in reset its inputs may be anything: only the reset itself is written down.
    last_reset, reset = _changes({"-": {"rst": 1}})
    declarations, others = _changes(sides)
    ports = ",\n".join(f"  {_declare(width, name)}" for name, width in signals.items())
    body = [
        f"// {card}, manifest {manifest['hash']}, hardslice {manifest['generator']}. Generated: do not edit.",
        "// Simulation only.",
        f"module {card}_recorder (",
        ports,
        ");",
        "  string directory;",
        "  int events;",
        "  longint unsigned cycle = 0;",
        "  bit started = 0;",
        *last_reset,
        *declarations,
        "  initial begin",
        "    events = 0;",
        '    if ($value$plusargs("trace=%s", directory)) events = $fopen({directory, "/events.txt"}, "w");',
        "  end",
        "  always @(posedge clk) begin",
        "    cycle <= cycle + 1;",
        "    started <= 1;",
        "  end",
        "  always @(posedge clk) if (events != 0) begin",
        *(line[2:] for line in reset),
        "    if (!rst) begin",
        *(line.replace("!started", "last_rst || !started") for line in others),
        *_handshakes("control", LITE_CHANNELS),
        *(line for name in names for line in _handshakes(name, CHANNELS)),
        "    end",
        "  end",
        "  final if (events != 0) $fclose(events);",
        "",
    ]
    body += _stability("control", ("b", "r"), LITE_CHANNELS, "0")
    for name in names:
        excused = next((signal for signal in sides.get(name, {}) if signal.endswith(("_reset", "_cut_off"))), "0")
        body += _stability(name, ("b", "r") if name in initiators else ("aw", "w", "ar"), CHANNELS, excused)
    for name in initiators:
        body += _waves(name, axi_signals(manifest, name) | sides.get(name, {}))
    watched = [signal for name in adapted(manifest) for signal in axi_signals(manifest, name)]
    body += ["endmodule", "", f"bind {card} {card}_recorder recorder ({_bindings(watched)});", ""]
    return "\n".join(body)


def _bindings(watched: list[str]) -> str:
    """Connections of the recorder: pins by name, and for the signals in `watched` the wires behind the adapters."""
    inside = [f".{signal}({port}_inside_{field})" for signal in watched for port, _, field in [signal.rpartition("_")]]
    return ", ".join([".*", *inside])


def write_recorder(manifest: dict[str, Any], directory: Path) -> Path:
    """Write the recorder of a card into `directory`, which exists; returns the file's path."""
    path = directory / f"{manifest['card']}_recorder.sv"
    path.write_text(recorder(manifest))
    return path
