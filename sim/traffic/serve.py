"""The cocotb test behind `hardslice simulate`: the register port of a card for whoever connects to a local socket."""

import json
import os
import selectors
import socket
from pathlib import Path
from typing import cast

import cocotb

from hdl.traffic.register_master import Access
from ram import load_card

from .desk import Desk

IDLE_SECONDS = 0.01
IDLE_CYCLES = 100
"""The card's time goes on slowly while nobody asks for anything."""
LONGEST_LINE = 256
HELP = "say 'read ADDRESS', 'write ADDRESS VALUE', 'reset' or 'end'"


@cocotb.test()
async def serve(dut: object) -> None:
    """Answers until somebody says so, or the process that started it has ended."""
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    desk = Desk(dut, manifest, load_card(Path(settings["manifest"])))
    await desk.boot()
    accesses = 0
    with Clients(Path(settings["socket"])) as clients:
        while os.getppid() == settings["parent"]:
            asked = clients.lines()
            for client, line in asked:
                if line == "end":
                    Path(settings["result"]).write_text(json.dumps({"accesses": accesses}), encoding="utf-8")
                    return
                clients.answer(client, await _carry_out(desk, line))
                accesses += 1
            if not asked:
                await desk.cycles(IDLE_CYCLES)


async def _carry_out(desk: Desk, line: str) -> str:
    words = line.split()
    try:
        numbers = [int(word, 0) for word in words[1:]]
    except ValueError:
        return HELP
    bits = desk.description.fabric.register_bits + desk.description.fabric.token_bits
    if any(not 0 <= number < 1 << width for number, width in zip(numbers, (bits, 32), strict=False)):
        return f"an address has {bits} bits, a value has 32"
    match words[:1], numbers:
        case ["read"], [address]:
            value = await desk.access(Access.READ, address)
            return "error" if value is None else f"{value:#x}"
        case ["write"], [address, value]:
            return "error" if await desk.access(Access.WRITE, address, value) is None else "ok"
        case ["reset"], []:
            await desk.reset()
            return "ok"
    return HELP


class Clients:
    """Who is connected, and the lines that they have sent.

    Parameters
    ----------
    path : Path
        The socket; it is removed in the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: dict[socket.socket, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._selector.register(self._listener, selectors.EVENT_READ)

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *error: object) -> None:
        for client in list(self._pending):
            self._drop(client)
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def lines(self) -> list[tuple[socket.socket, str]]:
        """What was asked by now; waits for a moment if nothing was."""
        found: list[tuple[socket.socket, str]] = []
        for key, _ in self._selector.select(IDLE_SECONDS):
            if key.fileobj is self._listener:
                client, _ = self._listener.accept()
                client.settimeout(1)
                self._pending[client] = b""
                self._selector.register(client, selectors.EVENT_READ)
            else:
                client = cast(socket.socket, key.fileobj)
                found += [(client, line) for line in self._received(client)]
        return found

    def _received(self, client: socket.socket) -> list[str]:
        try:
            data = client.recv(4096)
        except OSError:
            data = b""
        *lines, rest = (self._pending[client] + data).split(b"\n")
        self._pending[client] = rest
        if not data or len(rest) > LONGEST_LINE:
            self._drop(client)
        return [line.decode("ascii", "replace") for line in lines]

    def answer(self, client: socket.socket, text: str) -> None:
        """Send a line to who asked; whoever does not take it is disconnected."""
        if client not in self._pending:
            return
        try:
            client.sendall(f"{text}\n".encode("ascii"))
        except OSError:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        if self._pending.pop(client, None) is not None:
            self._selector.unregister(client)
            client.close()
