"""Slice definition files: what a person writes, checked value by value."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from .errors import Location, Refusal
from .units import Address, Bytes, Rate, Time

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Rights = Literal["read", "read-write"]


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("is not a number")
    return value


Natural = Annotated[int, BeforeValidator(_number), Field(ge=0)]
Positive = Annotated[int, BeforeValidator(_number), Field(ge=1)]


class Strict(BaseModel):
    """A record of a file: unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ShareDefinition(Strict):
    """Another slice that may use a memory entry, and where it sees it in its window (default: the first gap)."""

    slice: Name
    rights: Rights = "read"
    address: Address | None = None


class ExtentDefinition(Strict):
    """An exact place: `granules` granules of `target` from `first`."""

    target: Name
    first: Natural
    granules: Positive


class MemoryDefinition(Strict):
    """A piece of memory: one run of addresses in the slice's window, over one or more extents.

    Members
    -------
    size : int
        Bytes, a whole number of granules.
    targets : tuple of str, optional
        Where it may lie, in order of preference; anywhere if it is not given.
    contiguous : bool
        It must be one extent.
    address : int, optional
        Byte address in the slice's window; the first gap if it is not given.
    share : tuple of ShareDefinition, optional
        Who else may use it. An entry with `share`, even an empty one, has a key of its own.
    extents : tuple of ExtentDefinition, optional
        Exactly this place (what `hardslice export` writes).
    """

    name: Name
    size: Bytes
    targets: tuple[Name, ...] | None = None
    contiguous: bool = False
    address: Address | None = None
    share: tuple[ShareDefinition, ...] | None = None
    extents: tuple[ExtentDefinition, ...] | None = None


class PcieDefinition(Strict):
    """A PCIe device (any that is free and wide enough if not named) on `lanes` lanes."""

    device: Name | None = None
    lanes: Positive
    first_lane: Natural | None = None


class Qos(Strict):
    """Quality of service.

    Members
    -------
    class : int
        Arbitration class; the higher goes first.
    limit : int, optional
        Bytes per second over all ports and targets together, reads and writes added up; no limit if it is not given.
    read_limit, write_limit : int, optional
        The same for reads alone and for writes alone, in place of `limit`; one that is not given is no limit.
    guarantee : int, optional
        Bytes per second at each memory that the slice uses, in each direction; see `ram.admission`.
    read_guarantee, write_guarantee : int, optional
        The same in one direction, in place of `guarantee`.
    burst : int, optional
        Bytes that may exceed the limit, or each of the two, for a moment.
    chunk : int, optional
        Bytes of the pieces into which its bursts are split; the card's chunk if it is not given. Smaller ones let
        others in between sooner, and make its own long bursts slower when others wait.
    outstanding : int, optional
        Requests that it may have outstanding over all ports together; see `ram.budgets`.
    latency : int, optional
        Nanoseconds of the worst wait for a grant at a target; see `ram.admission`.
    time_slots : int, optional
        Slots for itself at each target that it uses and that has time slots: there nobody else's traffic changes its
        timing, and it has no other; see `ram.time_slots`.
    """

    class_: Natural = Field(default=0, alias="class")
    limit: Rate | None = None
    read_limit: Rate | None = None
    write_limit: Rate | None = None
    guarantee: Rate | None = None
    read_guarantee: Rate | None = None
    write_guarantee: Rate | None = None
    burst: Bytes | None = None
    chunk: Bytes | None = None
    outstanding: Positive | None = None
    latency: Time | None = None
    time_slots: Positive | None = None


def _several(value: object) -> object:
    return (value,) if isinstance(value, dict | PcieDefinition) else value


class SliceDefinition(Strict):
    """All that a slice has. Cores are a number or names; `devices` are initiators of kind device, PCIe's excepted."""

    slice: Name
    tenant: str = ""
    contexts: tuple[Name, ...] = ()
    cores: Natural | tuple[Name, ...] = 0
    devices: tuple[Name, ...] = ()
    memory: tuple[MemoryDefinition, ...] = ()
    peripherals: tuple[Name, ...] = ()
    pcie: Annotated[tuple[PcieDefinition, ...], BeforeValidator(_several)] = ()
    keys: Natural = 0
    boot_address: Address = 0
    qos: Qos = Qos()


class Source:
    """A YAML file that remembers where each value stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.tree: Any = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise Refusal(f"{path}: cannot be read ({reason}); give a slice definition in YAML") from None
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            problem = " ".join((error.problem or "not YAML").split())
            raise Refusal(f"{path}:{line}: this is not valid YAML: {problem}") from None
        except (YAMLError, ValueError) as error:
            raise Refusal(f"{path}:1: this is not valid YAML: {str(error).splitlines()[0]}") from None
        if not isinstance(self.tree, dict):
            raise Refusal(f"{path}:1: a slice definition is a mapping that starts with 'slice: <name>'")

    def line(self, location: Sequence[str | int]) -> int:
        """Line, from 1, of the deepest part of `location` that exists in the file."""
        node, line = self.tree, 1
        for step in location:
            if step == 0 and isinstance(node, dict):
                continue  # one PCIe device may stand without a list
            try:
                mark = node.lc.data[step]
                node = node[step]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
            line = mark[0] + 1
        return line

    def refusal(self, location: Sequence[str | int], message: str) -> Refusal:
        """The one line that a user sees for a wrong value at `location`."""
        return Refusal(f"{self.path}:{self.line(location)}: {'.'.join(map(str, location)) or 'slice'}: {message}")


def _explain(error: ValidationError, source: Source) -> Refusal:
    # A wrong name is the cause of a missing one; of the alternatives of a union, the one that went farthest was meant.
    first = max(error.errors(), key=lambda found: (found["type"] == "extra_forbidden", len(found["loc"])))
    known = set(SliceDefinition.model_fields) | {"class"}
    for model in (MemoryDefinition, ShareDefinition, ExtentDefinition, PcieDefinition, Qos):
        known |= set(model.model_fields)
    steps = list(first["loc"])
    if first["type"] != "extra_forbidden":
        steps = [step for step in steps if isinstance(step, int) or step in known]
    context = first.get("ctx", {})
    message = str(context["error"]) if "error" in context else first["msg"][0].lower() + first["msg"][1:]
    if first["type"] == "string_pattern_mismatch":
        message = "is not a name; write letters, digits, '_', '.' and '-', starting with a letter or digit"
    elif first["type"] == "extra_forbidden":
        message = "is not a known parameter; 'hardslice schema slice' lists them"
    elif first["type"] == "missing":
        message = "is missing; 'hardslice schema slice' describes it"
    value = first.get("input")
    quoted = isinstance(value, str | int | float | bool) and first["type"] not in ("missing", "extra_forbidden")
    return source.refusal(steps, f"{value!r} {message}" if quoted else message)


def load_definition(path: Path) -> tuple[SliceDefinition, Source]:
    """Read and check a slice definition file.

    Raises
    ------
    Refusal
        Names file, line, value and what would be right.
    """
    source = Source(path)
    try:
        definition = SliceDefinition.model_validate(_plain(source.tree))
    except ValidationError as error:
        raise _explain(error, source) from None
    _check_unique(definition, source)
    return definition, source


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list) else node


def _check_unique(definition: SliceDefinition, source: Source) -> None:
    lists: list[tuple[str, Iterable[str]]] = [
        ("contexts", definition.contexts), ("devices", definition.devices), ("peripherals", definition.peripherals),
        ("memory", [entry.name for entry in definition.memory]),
    ]  # fmt: skip
    if isinstance(definition.cores, tuple):
        lists.append(("cores", definition.cores))
    for what, names in lists:
        seen: set[str] = set()
        for position, name in enumerate(names):
            if name in seen:
                location: Location = (what, position, "name") if what == "memory" else (what, position)
                raise source.refusal(location, f"{name!r} stands twice in {what}; name each once")
            seen.add(name)


def schema() -> dict[str, Any]:
    """JSON Schema of a slice definition file."""
    result = SliceDefinition.model_json_schema(by_alias=True)
    pcie = result["properties"]["pcie"]
    result["properties"]["pcie"] = {"anyOf": [{"$ref": "#/$defs/PcieDefinition"}, pcie]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result}
