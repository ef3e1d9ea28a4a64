"""The verbs of the `hardslice` command that need a card description only."""

import json
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.console import Console
from rich.table import Table

from .card import CardConfig, find_card
from .card.units import format_bytes
from .exports import export_registers
from .files import build_folder, write_text
from .generate import generate
from .plan import Plan, manifest, plan_card, register_map
from .plan.tables import tables
from .show_network import network_tables

Format = Literal["json", "rdl", "c", "svd", "md", "html"]
FORMATS: tuple[str, ...] = get_args(Format)

Card = Annotated[
    str,
    typer.Argument(help="Name of a card below boards/, or path of a card.yaml or of its folder.", show_default=False),
]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
schema = typer.Typer(
    help="Print the JSON Schema of a description.", add_completion=False, pretty_exceptions_enable=False
)


def _ports(plan: Plan) -> Table:
    table = Table("port", "kind", "contexts", "size", "granules", "reaches", title="Ports")
    for port in plan.initiators:
        reaches = [plan.targets[target].name for target in port.targets]
        shown = "all targets" if len(reaches) == len(plan.targets) else ", ".join(reaches)
        table.add_row(port.name, port.kind, str(len(port.contexts)), "", "", shown)
    table.add_section()
    for target in plan.targets:
        table.add_row(target.name, target.kind, "", format_bytes(target.size), str(target.granules), "")
    return table


def _tables(plan: Plan) -> Table:
    table = Table("table", "port", "entries", "bits each", "copies", "bits", title="Tables")
    for memory in tables(plan):
        numbers = (memory.entries, memory.width, memory.copies, memory.bits)
        table.add_row(memory.name, memory.port, *map(str, numbers))
    table.add_section()
    table.add_row("all", "", "", "", "", str(sum(memory.bits for memory in tables(plan))))
    return table


@app.command()
def check(card: Card) -> None:
    """Check a card description and print what the card would be."""
    path = find_card(card)
    plan = plan_card(path)
    console = Console(soft_wrap=True, highlight=False)
    window = plan.window_granules * plan.granule
    console.print(f"{plan.card}: {plan.description}" if plan.description else plan.card, markup=False)
    console.print(f"  {path} is right; manifest {manifest(plan)['hash']}", markup=False)
    for line in (
        f"{plan.topology}, {plan.data_width}-bit data, {plan.address_width}-bit addresses, {plan.id_width}-bit IDs, "
        f"{plan.clock / 1e6:g} MHz",
        f"{len(plan.initiators)} initiators with {len(plan.contexts)} contexts, {len(plan.targets)} targets, "
        f"{len(plan.devices)} PCIe devices on {plan.lanes} lanes",
        f"{plan.slices} slices, {plan.keys} keys, {plan.classes} classes",
        f"granule {format_bytes(plan.granule)}, window {format_bytes(window)} ({plan.window_granules} granules)",
        f"register space {format_bytes(1 << register_map(plan).address_bits)}",
    ):
        console.print(f"  {line}", markup=False)
    console.print(_ports(plan), _tables(plan))
    if plan.network:
        console.print(*network_tables(plan, plan.network))


@app.command("generate")
def generate_files(
    card: Card,
    output: Annotated[
        Path | None, typer.Option(help="Folder that the files go to. [default: build/<card>]", show_default=False)
    ] = None,
) -> None:
    """Write Verilog, file list, manifest and register exports, unless they are there and up to date."""
    path = find_card(card)
    name = plan_card(path).card
    directory = build_folder(name) if output is None else output
    done = generate(path, directory)
    print(f"{directory / name}.v: {'written, with manifest and register exports' if done else 'up to date'}")


@app.command()
def registers(
    card: Card,
    format: Annotated[Format, typer.Option("--format", "-f", help="Format of the text.")] = "md",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write instead of printing.", show_default=False)
    ] = None,
) -> None:
    """Print the register map, for other tools or for people."""
    text = export_registers(plan_card(find_card(card)), format)
    if output is None:
        print(text, end="")
    else:
        write_text(output, text)


@schema.command("card")
def schema_card() -> None:
    """JSON Schema of a card description."""
    print(
        json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema"} | CardConfig.model_json_schema(), indent=2
        )
    )
