"""Where generated files go, and how they get there: whole or not at all."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import Refusal

BUILD = Path("build")
"""Everything generated, below the working folder; it hides itself from git."""


def build_folder(name: str) -> Path:
    """Folder of a card's generated files, whose parent exists afterwards and is ignored by git.

    Raises
    ------
    Refusal
        It cannot be made.
    """
    ignore = BUILD / ".gitignore"
    try:
        BUILD.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise Refusal(f"{BUILD}: cannot be written ({error.strerror}); start hardslice in a folder that can") from None
    return BUILD / name


def write_texts(directory: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder, in the order given; none is replaced before all have been written beside it.

    Raises
    ------
    Refusal
        The folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=directory) as draft:
            for name, text in texts.items():
                path = Path(draft, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
                (directory / name).parent.mkdir(exist_ok=True)
            for name in texts:
                Path(draft, name).replace(directory / name)
    except OSError as error:
        raise Refusal(f"{directory}: cannot be written ({error.strerror}); give a place that can") from None


def write_text(path: Path, text: str) -> None:
    """Write one file, whole or not at all.

    Raises
    ------
    Refusal
        It cannot be written.
    """
    if path.is_dir():
        raise Refusal(f"{path}: is a folder; give the name of a file")
    write_texts(path.parent, {path.name: text})
