"""Reads a card description and says in which line it is wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ..errors import Misfit, Refusal
from .config import CardConfig

_SHOWN = 60
"""Characters of a wrong value that an error message repeats."""

_MESSAGES = {
    "dict_type": "is not a mapping; write 'name: value' lines, indented",
    "model_type": "is not a mapping; write 'name: value' lines, indented",
    "list_type": "is not a list; write [first, second]",
    "int_type": "is not a whole number",
    "string_type": "is not text; put it in quotation marks",
    "string_pattern_mismatch": "is not a name; write lower-case letters, digits and single underscores, "
    "starting with a letter",
    "string_too_long": "is longer than {max_length} characters",
    "too_short": "has nothing in it; name at least one",
    "extra_forbidden": "is not a known parameter; 'hardslice schema card' lists them",
    "invalid_key": "is not a known parameter; 'hardslice schema card' lists them",
    "missing": "is missing; 'hardslice schema card' describes it",
}
"""What is wrong and what would be right, by pydantic's type of error, where its own words are for programmers."""


class Source:
    """A YAML file that remembers where each value stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree: Any = self._parse(self._read())
        if not isinstance(self.tree, dict):
            raise Refusal(f"{path}:1: a card description is a mapping that starts with 'card: <name>'")

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
        except UnicodeDecodeError:
            reason = "it is not UTF-8 text"
        raise Refusal(f"{self.path}: cannot be read ({reason}); give a card description in YAML")

    def _parse(self, text: str) -> Any:
        line = 0
        try:
            return YAML(typ="rt").load(text)
        except MarkedYAMLError as error:
            problem = error.problem or "not YAML"
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
        except YAMLError as error:
            problem = str(error).splitlines()[0]
            line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        except ValueError as error:  # such as a number of thousands of digits
            problem = str(error)
        except RecursionError:
            problem = "it is nested too deeply"
        where = f"{self.path}:{line}" if line else str(self.path)
        raise Refusal(f"{where}: this is not valid YAML: {' '.join(problem.split())}")

    def line(self, location: Sequence[str | int]) -> int:
        """Line, from 1, of the deepest part of `location` that exists in the file."""
        node, line = self.tree, 1
        for step in location:
            try:
                marks = node.lc.data[step]
                node = node[step]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
            line = marks[0] + 1
        return line

    def refusal(self, location: Sequence[str | int], message: str) -> Refusal:
        """The one line that a user sees for a wrong value at `location`."""
        where = " ".join(".".join(map(str, location)).split()) or "card"
        return Refusal(f"{self.path}:{self.line(location)}: {where}: {message}")


def _show(value: object) -> str:
    """A value as a user recognizes it, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return text if isinstance(value, int | float) else repr(text)


def _explain(error: ValidationError, source: Source) -> Refusal:
    first = error.errors()[0]
    location = [part for part in first["loc"] if part != "[key]"]
    context = first.get("ctx", {})
    if first["type"] == "string_type" and len(location) < len(first["loc"]):
        message = _MESSAGES["string_pattern_mismatch"]  # it is a key
    elif first["type"] in _MESSAGES:
        message = _MESSAGES[first["type"]].format(**context)
    elif "error" in context:
        message = str(context["error"])
    else:
        message = first["msg"].replace("Input should be", "is not right; it should be", 1)
    named = first["type"] in ("missing", "extra_forbidden", "invalid_key")
    return source.refusal(location, message if named else f"{_show(first['input'])} {message}")


def load_card(path: Path) -> tuple[CardConfig, Source]:
    """Read and check a card description, value by value.

    Raises
    ------
    Refusal
        Names file, line, value and what would be right.
    """
    source = Source(path)
    try:
        return CardConfig.model_validate(source.tree), source
    except ValidationError as error:
        raise _explain(error, source) from None


__all__ = ["Misfit", "Source", "load_card"]
