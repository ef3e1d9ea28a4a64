"""Knows when everything that had passed a target's gates is answered, without stopping what comes after."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan, bits_for


class Epochs(wiring.Component):
    """Two epochs of requests in flight at one target.

    A drain turns the epoch over and waits until the older one is empty. New requests count in the newer one and are
    never held up. Latency: at least 2 cycles from `drain` to `drained`.

    Members
    -------
    passed_read, passed_write : In(1)
        A request passed a gate in this cycle.
    done_read, done_write : In(1)
        A request that had passed was answered; `done_read_epoch`, `done_write_epoch` tell when it had passed.
    epoch : Out(1)
        The current epoch.
    drain : In(clients)
        Held by a client until its `drained`.
    drained : Out(clients)
        One cycle: what had passed before the client asked is answered.
    """

    def __init__(self, plan: Plan, clients: int) -> None:
        self.plan, self.clients = plan, clients
        super().__init__(
            {
                "passed_read": In(1),
                "passed_write": In(1),
                "done_read": In(1),
                "done_read_epoch": In(1),
                "done_write": In(1),
                "done_write_epoch": In(1),
                "epoch": Out(1),
                "drain": In(clients),
                "drained": Out(clients),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        most = 2 * (len(self.plan.initiators) + 1) * self.plan.outstanding
        in_flight = Array(Signal(bits_for(most + 1), name=f"epoch{n}_in_flight") for n in range(2))
        for n in range(2):
            entered = self.epoch == n
            m.d.sync += in_flight[n].eq(
                in_flight[n]
                + (self.passed_read & entered)
                + (self.passed_write & entered)
                - (self.done_read & (self.done_read_epoch == n))
                - (self.done_write & (self.done_write_epoch == n))
            )
        serving = Signal(self.clients)
        finished = Signal()
        # The newer epoch starts empty: the turn before this one waited for it.
        m.d.comb += finished.eq(serving.any() & (in_flight[~self.epoch] == 0))
        with m.If(~serving.any()):
            with m.If(self.drain.any()):
                m.d.sync += [serving.eq(self.drain), self.epoch.eq(~self.epoch)]
        with m.Elif(finished):
            m.d.comb += self.drained.eq(serving)
            m.d.sync += serving.eq(0)
        return m
