"""A card behind a local socket, a simulated one for instance. One line asks, one line answers.

``read 0x18`` is answered by the value, ``write 0x18 0x1`` by ``ok``; an access that the card answers with an error by
``error``. A simulated card also knows ``reset`` and ``end``. Numbers are in Python's notation.
"""

import socket
from pathlib import Path

from .errors import Refusal
from .transport import AccessError

SECONDS = 600
"""How long an answer may take: a simulated card may have a lot to simulate first."""


class SocketTransport:
    """Register accesses over a Unix socket.

    Parameters
    ----------
    path : Path
        The socket.

    Raises
    ------
    Refusal
        Nobody listens there, or whoever does goes away.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise Refusal(
                f"{path}: no card listens there ({error.strerror}); `hardslice simulate` starts one"
            ) from None
        self._lines = self._socket.makefile("r", encoding="ascii")

    async def read(self, address: int) -> int:
        """The register's value."""
        return int(self._ask(f"read {address:#x}", address), 0)

    async def write(self, address: int, value: int) -> None:
        """Write the register."""
        self._ask(f"write {address:#x} {value:#x}", address)

    def _ask(self, line: str, address: int) -> str:
        try:
            self._socket.sendall(f"{line}\n".encode("ascii"))
            answer = self._lines.readline().strip()
        except OSError as error:
            raise Refusal(f"{self.path}: the card does not answer ({error}); start it again") from None
        if not answer and line != "end":
            raise Refusal(f"{self.path}: the card has gone away; start it again")
        if answer == "error":
            raise AccessError(address, line.split()[0])
        return answer

    def say(self, line: str) -> str:
        """Say something else to what is behind the socket; returns the answer, nothing after the end."""
        return self._ask(line, 0)

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()
