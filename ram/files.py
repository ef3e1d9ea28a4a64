"""Files that are either as before or complete."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Refusal


def write_atomically(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a file in one step; if `durable`, also in the face of a power failure.

    Raises
    ------
    Refusal
        The file cannot be written; the old one is as before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if not durable:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Refusal(f"{path}: cannot be written ({error.strerror}); choose another place") from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others from changing what stands in a file.

    Raises
    ------
    Refusal
        Another process holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.with_name(f".{path.name}.lock").open("w", encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refusal(f"{path}: another hardslice command is changing it; try again when that has ended") from None
        yield
