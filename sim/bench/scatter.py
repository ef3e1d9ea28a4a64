"""A target that answers reads out of order and interleaves their data."""

from collections.abc import Iterator
from random import Random
from typing import Any

import cocotb

from .burst import Burst
from .card import cycles

DEPTH = 8
"""Reads among which it chooses."""
GATHER_CYCLES = 6
"""How long it waits for more before it answers the first of several."""


class Scatter:
    """Takes the reads of a target over from its model until :meth:`stop`.

    Each beat is one of any of the reads that wait; those of one ID are answered in order (IHI 0022H, A5.3.1).

    Parameters
    ----------
    model : cocotbext.axi.AxiRamRead
        No read is under way.
    rng : Random

    Members
    -------
    interleaved : int
        Beats so far that came between two of another burst.
    """

    def __init__(self, model: Any, rng: Random) -> None:
        self._model, self._rng = model, rng
        self._waiting: dict[int, list[Iterator[Any]]] = {}
        self._unfinished: set[int] = set()
        self.interleaved = 0
        model._process_read_cr.cancel()
        # The model cancels this one instead of its own when it is reset.
        model._process_read_cr = cocotb.start_soon(self._run())

    async def stop(self) -> None:
        """Give the reads back to the model once none is under way."""
        while self._waiting or not self._model.ar_channel.empty():
            await cycles(1)
        self._model._process_read_cr.cancel()
        self._model._process_read_cr = cocotb.start_soon(self._model._process_read())

    async def _run(self) -> None:
        requests, answers = self._model.ar_channel, self._model.r_channel
        while True:
            if not self._waiting:
                await requests.wait()
                await cycles(GATHER_CYCLES)
            while not requests.empty() and sum(map(len, self._waiting.values())) < DEPTH:
                request = requests.recv_nowait()
                self._waiting.setdefault(int(request.arid), []).append(self._answer(request))
            identity = self._rng.choice(list(self._waiting))
            beat = next(self._waiting[identity][0])
            self.interleaved += bool(self._unfinished - {identity})
            self._unfinished.add(identity)
            if beat.rlast:
                self._unfinished.remove(identity)
                self._waiting[identity].pop(0)
                if not self._waiting[identity]:
                    del self._waiting[identity]
            await answers.send(beat)

    def _answer(self, request: Any) -> Iterator[Any]:
        """The beats that answer a request."""
        model = self._model
        fields = {name: int(getattr(request, f"ar{name}")) for name in ("size", "burst")}
        burst = Burst(int(request.araddr), int(request.arlen) + 1, **fields)
        for number, address in enumerate(burst.addresses(), start=1):
            data = model.read(address // model.byte_lanes * model.byte_lanes, model.byte_lanes)
            yield model.r_channel._transaction_obj(
                rid=int(request.arid), rdata=int.from_bytes(data, "little"), rresp=0, rlast=int(number == burst.beats)
            )
