"""The verbs of the `hardslice` command that manage a card. They know it only through its manifest."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .definition import Qos, SliceDefinition, Source, load_definition
from .definition import schema as slice_json_schema
from .errors import Refusal
from .export import definition_of, differences, to_yaml
from .files import locked, write_atomically
from .inventory import Inventory
from .journal import Journal
from .manager import Answer, Manager, ResourceType
from .manifest import Card, load_card
from .memory_mapped import MemoryMappedTransport
from .operations import Operation, Wait, Write, check_same_card
from .readback import mismatches
from .script import Format, to_script
from .socket_transport import SocketTransport
from .status import print_status
from .transport import AccessError, ExecutionError, FileTransport, Transport, load_transitions
from .units import parse_bytes, parse_rate, parse_time

DIFFERENT = 1
"""Exit code of `assert` when the state is not what the files say."""

CardOption = Annotated[
    Path, typer.Option("--card", envvar="HARDSLICE_CARD", help="manifest.json of the card.", show_default=False)
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="HARDSLICE_STATE",
        help="State file. [default: state.json beside the manifest]",
        show_default=False,
    ),
]
OperationsOption = Annotated[
    Path | None,
    typer.Option(
        "--operations",
        help="File that operations are appended to. [default: operations.jsonl beside the state]",
        show_default=False,
    ),
]
TransportOption = Annotated[
    str | None,
    typer.Option(
        "--transport",
        envvar="HARDSLICE_TRANSPORT",
        help="Carry operations out: uio:PATH is a card whose registers are mapped, socket:PATH a simulated one.",
        show_default=False,
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the operations and change nothing.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="File to write instead of printing.", show_default=False)
]
Resource = Annotated[ResourceType, typer.Argument(case_sensitive=False, help="Kind of resource.", show_default=False)]
Amount = Annotated[
    str, typer.Argument(help="A number, bytes as 64KiB, or bytes per second as 100MB/s.", show_default=False)
]
Part = Annotated[
    ResourceType | None,
    typer.Argument(case_sensitive=False, help="What to give back; everything if left out.", show_default=False),
]
Files = Annotated[list[Path], typer.Argument(help="Slice definition files.", show_default=False)]
Vm = Annotated[str, typer.Argument(metavar="VM", help="The slice.", show_default=False)]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
schema = typer.Typer(
    help="Print the JSON Schema of a description.", add_completion=False, pretty_exceptions_enable=False
)


class Session:
    """A card, its state, and where operations go; nowhere in a dry run."""

    def __init__(self, card: Card, journal: Journal, transport: Transport | None) -> None:
        self.card, self.journal, self.transport = card, journal, transport
        self.manager = Manager(card, journal.inventory)

    @property
    def inventory(self) -> Inventory:
        """The present state."""
        return self.manager.inventory

    def settle(self, answer: Answer, sources: list[Source] | None = None) -> None:
        """Carry a granted answer out and report it; Refusal if it was not granted."""
        if answer.transition is None:
            reason = f"{answer.code}: {answer.reason}"
            if sources:
                raise sources[answer.position].refusal(answer.location, reason)
            raise Refusal(reason)
        if self.transport is None:
            for operation in answer.transition.operations:
                print(_described(operation))
            print(f"dry run, nothing is changed: {answer.reason}, {len(answer.transition.operations)} operations")
            return
        with _understood():
            asyncio.run(self.journal.carry_out(self.manager, answer, self.transport))
        count = len(answer.transition.operations)
        where = f"{count} operations {_place(self.transport)}" if count else "the card stays as it is"
        print(f"{answer.code}: {answer.reason}; {where}")


@contextmanager
def session(
    card: Path,
    state: Path | None,
    operations: Path | None = None,
    transport: str | None = None,
    *,
    dry_run: bool = False,
    finish: bool = True,
) -> Iterator[Session]:
    """A session that keeps others out; if it is to `finish`, what an earlier call left unfinished is finished first."""
    description = load_card(card)
    path = card.parent / "state.json" if state is None else state
    if transport is not None and operations is not None:
        raise Refusal("--operations and --transport: operations go either into a file or to a card; give one of them")
    with locked(path), ExitStack() as open_until_then:
        journal = Journal(path, description)
        place: Transport | None = None
        if not dry_run:
            file = operations or path.parent / "operations.jsonl"
            place = open_until_then.enter_context(_connected(transport, file, description))
        if journal.intent is not None and place is not None and finish:
            title = journal.intent.transition.title
            with _understood():
                asyncio.run(journal.resume(place))
            print(f"finished what was interrupted: {title}")
        yield Session(description, journal, place)


@contextmanager
def _connected(text: str | None, operations: Path, card: Card) -> Iterator[Transport]:
    """Where operations go, by the option; a connection ends afterwards."""
    transport = _transport(text, operations, card)
    try:
        yield transport
    finally:
        if isinstance(transport, SocketTransport):
            transport.close()


def _transport(text: str | None, operations: Path, card: Card) -> Transport:
    if text is None:
        return FileTransport(operations)
    kind, _, path = text.partition(":")
    if kind == "uio" and path:
        return MemoryMappedTransport(Path(path), card)
    if kind == "socket" and path:
        return SocketTransport(Path(path))
    raise Refusal(f"--transport: {text!r} is neither uio:PATH nor socket:PATH, as in uio:/dev/uio0")


def _place(transport: Transport) -> str:
    return f"in {transport.path}" if isinstance(transport, FileTransport) else "carried out"


@contextmanager
def _understood() -> Iterator[None]:
    """A card that is not as expected is a refusal for who sits before it."""
    try:
        yield
    except ExecutionError as error:
        was_reset = error.operation.register == "identity.GENERATION" and not error.seen
        advice = "; it has been reset: `hardslice restore` brings its state back" if was_reset else ""
        raise Refusal(f"{error}{advice}") from None
    except AccessError as error:
        raise Refusal(str(error)) from None


def _described(operation: Operation) -> str:
    if isinstance(operation, Write):
        what = f"write   {operation.register} = {operation.value:#x}"
    else:
        verb = "wait   " if isinstance(operation, Wait) else "compare"
        what = f"{verb} {operation.register} & {operation.mask:#x} == {operation.expected:#x}"
    return f"{what:<64} {operation.reason}"


def _amount(kind: ResourceType, text: str) -> int:
    try:
        if kind is ResourceType.MEMORY:
            return parse_bytes(int(text) if text.isdecimal() else text)
        if kind is ResourceType.BANDWIDTH:
            return parse_rate(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise Refusal(f"amount: {text!r} {error}") from None
    if not text.isdecimal() or int(text) < 1:
        raise Refusal(f"amount: {text!r} is not a number of {kind.lower()}; write it as 1, 2, 4 and so on")
    return int(text)


def _contract(present: Qos, changes: dict[str, str | int | None]) -> Qos | None:
    """The present contract with what the options say; None if they say nothing."""
    parsers = {"limit": parse_rate, "guarantee": parse_rate, "burst": parse_bytes, "latency": parse_time}
    update: dict[str, int] = {}
    for name, value in changes.items():
        if isinstance(value, int):
            update[name] = value
        elif value is not None:
            try:
                update[name] = parsers[name](value)
            except ValueError as error:
                raise Refusal(f"--{name}: {value!r} {error}") from None
    return present.model_copy(update=update) if update else None


@app.command()
def allocate(
    vm: Vm,
    resource: Resource,
    amount: Amount,
    card: CardOption,
    state: StateOption = None,
    operations: OperationsOption = None,
    transport: TransportOption = None,
    class_: Annotated[int | None, typer.Option("--class", min=0, help="New QoS class.", show_default=False)] = None,
    limit: Annotated[str | None, typer.Option(help="New bandwidth limit.", show_default=False)] = None,
    guarantee: Annotated[str | None, typer.Option(help="New bandwidth guarantee.", show_default=False)] = None,
    burst: Annotated[str | None, typer.Option(help="New burst above the limit.", show_default=False)] = None,
    latency: Annotated[str | None, typer.Option(help="New bound of the wait for a grant.", show_default=False)] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Give a slice more cores, memory, PCIe lanes, reserved keys or guaranteed bandwidth."""
    with session(card, state, operations, transport, dry_run=dry_run) as desk:
        owner = desk.inventory.slice(vm)
        options = {"class_": class_, "limit": limit, "guarantee": guarantee, "burst": burst, "latency": latency}
        qos = _contract(owner.qos if owner else Qos(), options)
        desk.settle(desk.manager.allocate(vm, resource, _amount(resource, amount), qos))


@app.command()
def release(
    vm: Vm,
    resource: Part = None,
    amount: Annotated[str | None, typer.Argument(help="How much.", show_default=False)] = None,
    *,
    card: CardOption,
    state: StateOption = None,
    operations: OperationsOption = None,
    transport: TransportOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take a slice away, or some of its cores, memory, PCIe lanes, reserved keys or guaranteed bandwidth."""
    if resource is not None and amount is None:
        raise Refusal(f"say how much of {resource} is given back, as in: release {vm} {resource} 1")
    with session(card, state, operations, transport, dry_run=dry_run) as desk:
        if resource is None or amount is None:
            desk.settle(desk.manager.release(vm))
        else:
            desk.settle(desk.manager.deallocate(vm, resource, _amount(resource, amount)))


def _load(files: list[Path]) -> tuple[list[SliceDefinition], list[Source]]:
    loaded = [load_definition(path) for path in files]
    return [definition for definition, _ in loaded], [source for _, source in loaded]


@app.command()
def apply(
    files: Files,
    card: CardOption,
    state: StateOption = None,
    operations: OperationsOption = None,
    transport: TransportOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Create slices, or change running ones, so that they are as the files say: all of them or none."""
    definitions, sources = _load(files)
    with session(card, state, operations, transport, dry_run=dry_run) as desk:
        desk.settle(desk.manager.apply(*definitions), sources)


@app.command()
def attach(
    target: Annotated[str, typer.Argument(help="The target.", show_default=False)],
    card: CardOption,
    state: StateOption = None,
    operations: OperationsOption = None,
    transport: TransportOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Attach a target again that did not answer and was cut off. Reset it first."""
    with session(card, state, operations, transport, dry_run=dry_run) as desk:
        desk.settle(desk.manager.attach(target))


@app.command()
def restore(
    card: CardOption,
    state: StateOption = None,
    operations: OperationsOption = None,
    transport: TransportOption = None,
) -> None:
    """Bring a card that was reset back into its state; a change that the reset interrupted has not been then."""
    with session(card, state, operations, transport, finish=False) as desk:
        assert desk.transport is not None, "not a dry run"
        with _understood():
            asyncio.run(desk.journal.restore(desk.manager, desk.transport))
        print(f"SUCCESS: the card has the state of generation {desk.inventory.generation} again")


@app.command("take-over")
def take_over(
    card: CardOption,
    token: Annotated[
        int | None, typer.Option(help="A newer token. [default: the next one]", show_default=False)
    ] = None,
    state: StateOption = None,
    operations: OperationsOption = None,
    transport: TransportOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Own the card from now on: it refuses what anybody writes who has an older token."""
    with session(card, state, operations, transport, dry_run=dry_run, finish=False) as desk:
        pending = desk.journal.intent
        known = desk.inventory if pending is None else pending.after
        wanted = known.token + 1 if token is None else token
        if desk.transport is None:
            desk.settle(desk.manager.take_over(wanted))
            return
        with _understood():
            asyncio.run(desk.journal.take_over(desk.manager, wanted, desk.transport))
        finished = "" if pending is None else f"; finished what was interrupted: {pending.transition.title}"
        print(f"SUCCESS: the card is owned with token {wanted}{finished}")


@app.command("assert")
def assert_(files: Files, card: CardOption, state: StateOption = None, transport: TransportOption = None) -> int:
    """Exit code 1, and a line for each difference, unless the slices are as the files say, and the card as they are."""
    definitions, _ = _load(files)
    described = load_card(card)
    inventory = _settled(card, state, described)
    found = [line for definition in definitions for line in differences(described, inventory, definition)]
    if transport is not None:
        with _understood(), _connected(transport, card, described) as place:
            found += asyncio.run(mismatches(described, inventory, place))
    for line in found:
        print(line)
    return DIFFERENT if found else 0


def _settled(card: Path, state: Path | None, described: Card) -> Inventory:
    """The state, for verbs that only read it."""
    journal = Journal(card.parent / "state.json" if state is None else state, described)
    if journal.intent is not None:
        title = journal.intent.transition.title
        raise Refusal(f"{journal.path}: '{title}' was interrupted; any allocate, release or apply finishes it first")
    return journal.inventory


@app.command()
def status(card: CardOption, state: StateOption = None) -> None:
    """Print who owns what."""
    described = load_card(card)
    inventory = _settled(card, state, described)
    print_status(described, inventory)


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="Folder for the slice definition files.", show_default=False)],
    card: CardOption,
    state: StateOption = None,
) -> None:
    """Write slice definition files that recreate the present state, every place included."""
    described = load_card(card)
    inventory = _settled(card, state, described)
    for owner in inventory.slices:
        path = directory / f"{owner.name}.yaml"
        write_atomically(path, to_yaml(definition_of(described, inventory, owner.name)))
        print(path)


@app.command()
def script(
    operations: Annotated[Path, typer.Argument(help="File written with --operations.", show_default=False)],
    format: Annotated[Format, typer.Option("--format", "-f", help="Language.")] = "sh",
    output: OutputOption = None,
    card: Annotated[Path | None, typer.Option("--card", help="Manifest of the card they are for.")] = None,
    last: Annotated[bool, typer.Option("--last", help="Only the last transition of the file.")] = False,
) -> None:
    """Turn recorded operations into a script that checks card and state, and then carries them out."""
    transitions = load_transitions(operations)
    if card is not None:
        described = load_card(card)
        for transition in transitions:
            check_same_card(transition, described)
    text = to_script(transitions[-1:] if last else transitions, format)
    if output is None:
        print(text, end="")
    else:
        write_atomically(output, text)


@schema.command("slice")
def schema_slice() -> None:
    """JSON Schema of a slice definition file."""
    print(json.dumps(slice_json_schema(), indent=2))
