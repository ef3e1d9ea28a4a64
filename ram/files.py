"""Files that are either as before or complete."""

import os
import tempfile
from pathlib import Path

from .errors import Refusal


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step, also in the face of a power failure.

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
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Refusal(f"{path}: cannot be written ({error.strerror}); choose another place") from None
