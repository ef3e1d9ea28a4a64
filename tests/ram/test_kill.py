"""A command that is killed with SIGKILL, before or after any access to the card, is finished by the next one."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from copy import deepcopy
from pathlib import Path

import pytest

from ram import Card
from ram.journal import Journal
from sim.cli import main

from .agreement import check_agreement
from .conftest import content
from .fake_card import FakeCard
from .test_cli import Desk, desk

__all__ = ["desk"]
STEP = 31


class Assassin:
    """A card behind a socket, which kills its client at an access: before it is carried out, or after that."""

    def __init__(self, path: Path, fake: FakeCard) -> None:
        self.fake, self.victim, self.left, self.late = fake, 0, -1, False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("r", encoding="ascii") as lines:
                for line in lines:
                    answer = self._answer(line.split())
                    if answer is None:
                        break
                    connection.sendall(f"{answer}\n".encode("ascii"))

    def _answer(self, words: list[str]) -> str | None:
        """What the card says; None to who is dead by now."""
        dies = self.left == 0
        self.left -= self.left >= 0
        if dies and not self.late:
            os.kill(self.victim, signal.SIGKILL)
            return None
        numbers = [int(word, 0) for word in words[1:]]
        if words[0] == "read":
            answer = hex(asyncio.run(self.fake.read(*numbers)))
        else:
            asyncio.run(self.fake.write(*numbers))
            answer = "ok"
        if dies:
            os.kill(self.victim, signal.SIGKILL)
            return None
        return answer


@pytest.mark.parametrize("late", [False, True])
def test_a_command_that_is_killed(quad: Card, desk: Desk, late: bool) -> None:
    """What it had begun is finished, whether it had written that down or not; what it had not begun is begun."""
    fake = FakeCard(content("quad"))
    path = desk.folder / "card"
    card = Assassin(path, fake)
    words = ["--transport", f"socket:{path}"]
    assert desk("apply", "web.yaml", "db.yaml", *words).code == 0
    first, state = deepcopy(fake), desk.state.read_bytes()
    assert desk("apply", "batch.yaml", "ml.yaml", *words).code == 0
    expected = Journal(desk.state, quad).inventory
    access, killed = 2, True
    while killed:
        card.fake, card.late = deepcopy(first), late
        desk.state.write_bytes(state)
        program = "import sys; input(); from sim.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "apply", "batch.yaml", "ml.yaml", *words]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as process:
            card.victim, card.left = process.pid, access
            process.communicate(b"go\n")
        killed = process.returncode == -signal.SIGKILL
        assert killed or process.returncode == 0
        card.left = -1
        assert main(["apply", "batch.yaml", "ml.yaml", *words]) == 0
        journal = Journal(desk.state, quad)
        assert journal.intent is None and journal.inventory == expected
        check_agreement(card.fake, quad, expected)
        access += STEP
    assert access > 3 * STEP
