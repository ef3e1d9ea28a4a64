"""The `hardslice` command: the verbs of the generator, of the RAM and of the simulation."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

import hdl.cli
import hdl.errors
import ram.cli
import ram.errors
from hdl.card import find_card

WRONG = 2
"""Exit code for bad input. A verdict that is red gives 1."""

app = typer.Typer(
    name="hardslice",
    help="Carves one FPGA offload card into isolated hardware slices and reconfigures them live.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
simulation = typer.Typer()
schema = typer.Typer(help="Print the JSON Schema of a description.")


@simulation.command()
def sim(
    card: hdl.cli.Card,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random choices.")] = 1,
    waves: Annotated[bool, typer.Option("--waves", help="Keep the waveforms (VCD).")] = False,
    scenario: Annotated[
        list[str] | None, typer.Option(help="Only this scenario; may be given several times.", show_default=False)
    ] = None,
) -> int:
    """Generate a card, run every scenario on it in simulation, and judge; exit code 1 if a verdict is red."""
    path = find_card(card)
    from sim.run import main as run  # brings cocotb in

    return int(run(path, seed, waves, scenario))


@simulation.command()
def bench(
    card: hdl.cli.Card,
    placed: Annotated[bool, typer.Option(help="Place and route too, for the clock; takes most of the time.")] = True,
    trade_off: Annotated[
        bool, typer.Option("--trade-off", help="Area and clock of variations of the card instead; takes an hour.")
    ] = False,
    routers: Annotated[bool, typer.Option("--routers", help="Area and clock of a network's routers instead.")] = False,
    load: Annotated[
        bool, typer.Option("--load", help="Latency at rising load instead, of a network beside a crossbar.")
    ] = False,
) -> int:
    """Measure a card: area and clock on an FPGA, cycles and throughput; writes build/<card>/bench.json."""
    path = find_card(card)
    from sim.measure import load as at_load
    from sim.measure import routers as of_routers
    from sim.measure import run, tradeoff

    chosen = at_load if load else of_routers if routers else tradeoff if trade_off else run
    return int(chosen.main(path, placed=placed))


@simulation.command()
def prove(
    card: hdl.cli.Card,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only what has this in its name; may be given several times.", show_default=False),
    ] = None,
) -> int:
    """Prove a card's guarantees, block by block; writes build/<card>/proofs.json; exit code 1 if one is not proved."""
    path = find_card(card)
    from sim.prove.run import main as run

    return int(run(path, only or ()))


@simulation.command()
def replay(
    card: hdl.cli.Card,
    requests: Annotated[int, typer.Option(min=1, max=4000, help="Of each trace, from its beginning.")] = 4000,
    pace: Annotated[int, typer.Option(min=1, help="Instructions that a program executes in a cycle.")] = 8,
    limit: Annotated[int, typer.Option(min=1, max=31, help="Reads outstanding before a program waits.")] = 1,
    bank: Annotated[str | None, typer.Option(help="The memory that all use; the first one otherwise.")] = None,
) -> int:
    """Replay recorded programs on a card: alone, together, and while other slices are reconfigured."""
    path = find_card(card)
    from sim.measure.replay import main as run  # brings cocotb in

    return int(run(path, requests=requests, pace=pace, limit=limit, bank=bank))


@simulation.command()
def simulate(
    card: hdl.cli.Card,
    socket: Annotated[
        Path | None,
        typer.Option(help="Where it is to listen. [default: build/<card>/card.socket]", show_default=False),
    ] = None,
) -> int:
    """Simulate a card that commands reach with --transport socket:PATH, until Ctrl-C."""
    path = find_card(card)
    from sim.simulate import main as run

    return int(run(path, socket))


@simulation.command()
def soak(
    card: hdl.cli.Card,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random choices.")] = 1,
    transactions: Annotated[int, typer.Option(min=0, help="Checked transactions; 0 for none.")] = 10_000_000,
    changes: Annotated[int, typer.Option(min=0, help="Changes compared with an undisturbed twin; 0 for none.")] = 200,
) -> int:
    """Load all ports of a card by the million while its slices change; exit code 1 if anything is wrong."""
    path = find_card(card)
    from sim.soak import main as run

    return int(run(path, seed, transactions, changes))


for verbs in (hdl.cli.app, ram.cli.app, simulation):
    app.add_typer(verbs)
for descriptions in (hdl.cli.schema, ram.cli.schema):
    schema.add_typer(descriptions)
app.add_typer(schema, name="schema")


def _usage(error: TyperException) -> str:
    """What is wrong with the words of a command line, and where the right ones stand."""
    message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see '{context.command_path if context else 'hardslice'} --help'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the command's name; those of the process if not given.

    Returns
    -------
    int
        Exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(words or ["--help"], prog_name="hardslice", standalone_mode=False)
        sys.stdout.flush()
    except (hdl.errors.Refusal, ram.errors.Refusal) as refusal:
        message = str(refusal)
    except TyperException as error:
        message = _usage(error)
    except BrokenPipeError:  # the reader, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    else:
        return result if isinstance(result, int) else 0
    print(f"hardslice: {message}", file=sys.stderr)
    return WRONG


if __name__ == "__main__":
    sys.exit(main())
