"""`hardslice simulate`: a card that is simulated, and reached like a real one by its registers."""

import os
import socket
import threading
import time
from pathlib import Path

from hdl.errors import Refusal
from hdl.files import build_folder
from hdl.plan import plan_card

from .soak import Bench, Red, prepare

LONGEST_PATH = 100
"""Bytes of a socket's path; Linux takes no more than 107."""


def main(card: Path, place: Path | None) -> int:
    """Build a card in its harness and serve its register port until Ctrl-C.

    Parameters
    ----------
    card : Path
        The card description.
    place : Path or None
        The socket, ``build/<card>/card.socket`` if it is not given; `ram.socket_transport` says what is spoken there.

    Raises
    ------
    Refusal
        The card is wrong, or there cannot be a socket.
    """
    plan = plan_card(card)
    out = build_folder(plan.card).resolve()
    path = (place or out / "card.socket").absolute()
    check_free(path)
    print(f"{plan.card}: generating and building", flush=True)
    bench = prepare(card, out / "simulate")

    def say_when() -> None:
        while not path.exists():
            time.sleep(0.1)
        print(f"the card is at {path}; its manifest is {bench.manifest}; Ctrl-C ends it", flush=True)

    threading.Thread(target=say_when, daemon=True).start()
    try:
        print(f"ended after {serve(bench, path)} accesses")
    except KeyboardInterrupt:
        path.unlink(missing_ok=True)
    return 0


def serve(bench: Bench, path: Path) -> int:
    """Serve the card of `bench` on a socket until somebody says `end`; returns how often something was asked.

    Raises
    ------
    Refusal
        The simulation has failed.
    """
    try:
        return int(bench.play("serve", "serve", seed=1, socket=str(path), parent=os.getpid())["accesses"])
    except Red as red:
        raise Refusal(str(red)) from None


def check_free(path: Path) -> None:
    """Refusal if there can be no socket of this path, or somebody listens there; one that is left over is removed."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Refusal(f"{path}: too long for a socket, {LONGEST_PATH} bytes at most; choose another with --socket")
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise Refusal(f"{path}: a card is there already; end it, or choose another place with --socket")
        path.unlink()
    elif path.exists():
        raise Refusal(f"{path}: this is something else; choose another place with --socket")
    elif not path.parent.is_dir():
        try:
            path.parent.mkdir(parents=True)
        except OSError as error:
            raise Refusal(
                f"{path.parent}: cannot be made ({error.strerror}); choose another place with --socket"
            ) from None
