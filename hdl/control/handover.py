"""How a context, a core or a device changes slice: block, drain, reset, assign, release."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.blocks import HANDOVER_PHASES
from ..plan.plan import KEY_NOBODY, Initiator, Plan, bits_for

IDLE, REVOKE, BLOCK, DRAIN, RESET, ASSIGN, GRANT, RELEASE = range(len(HANDOVER_PHASES))


class Handover(wiring.Component):
    """Hand-over engine of an initiator port; holds the owners of its contexts.

    A host's context is denied while it changes hands, its port goes on for the others. A core or device is isolated
    and reset: the ingress ends what is under way by itself. A PCIe device's register target is revoked and drained
    before the reset, since a device in reset cannot answer, and gets its new key after it.

    Latency: twice ``plan.reset_cycles`` plus the drain, plus a few cycles; in the first the meter charges what the old
    slice had sent, in the second it tells the context the class, the pieces and the budget of the new one.

    Members
    -------
    command : In(1)
        Start with `slice`, `assign`, `context`, `key`. Refused while busy or when one of them is out of range.
    phase, refused : Out
    finished : Out(1)
        A command ends in this cycle.
    slice{n}, owned{n} : Out
        Owner of context n; nobody after reset. The slice changes before it owns the context.
    charged{n} : Out(1)
        Context n has a slice that is charged for what it does: like `owned`, but it stays until the drain has ended.
    drained : In(contexts)
        Nothing of the context is on its way, reads and writes.
    isolate, reset, hold : Out(1)
        To the ingress, and to the core or device; `hold` falls one cycle after `reset`.
    rekey, rekey_key, rekey_grant : Out
        To the rekey engine of the device's register target; `rekey_held`, `rekey_finished` come from it.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.initiator = plan, initiator
        contexts = range(len(initiator.contexts))
        attached = int(initiator.has_reset)
        super().__init__(
            {
                "command": In(1),
                "slice": In(plan.slice_bits),
                "assign": In(1),
                "context": In(plan.user_bits),
                "key": In(plan.key_bits),
                "phase": Out(3),
                "refused": Out(1),
                "finished": Out(1),
                **{f"slice{n}": Out(plan.slice_bits) for n in contexts},
                **{f"owned{n}": Out(1) for n in contexts},
                **{f"charged{n}": Out(1) for n in contexts},
                "drained": In(len(initiator.contexts)),
                "isolate": Out(1),
                "reset": Out(1, init=attached),
                "hold": Out(1, init=attached),
                "rekey": Out(1),
                "rekey_key": Out(plan.key_bits),
                "rekey_grant": Out(1),
                "rekey_held": In(1),
                "rekey_finished": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, port = self.plan, self.initiator
        contexts = len(port.contexts)
        context = Signal(plan.user_bits)
        new_slice = Signal(plan.slice_bits)
        assign = Signal()
        acceptable = Signal()
        nothing_left = Signal()
        countdown = Signal(bits_for(plan.reset_cycles + 1))
        is_device = port.device is not None
        m.d.comb += [
            acceptable.eq((self.slice < plan.slices) & (self.context < contexts) & (self.key < plan.keys)),
            nothing_left.eq(Array(self.drained[n] for n in range(contexts))[context]),
            self.rekey.eq(self.phase == REVOKE),
            self.rekey_grant.eq(self.phase == GRANT),
        ]
        with m.If(self.command):
            m.d.sync += self.refused.eq((self.phase != IDLE) | ~acceptable)

        owners = [tuple(getattr(self, f"{what}{n}") for what in ("slice", "owned", "charged")) for n in range(contexts)]
        with m.Switch(self.phase):
            with m.Case(IDLE):
                with m.If(self.command & acceptable):
                    m.d.sync += [
                        context.eq(self.context),
                        new_slice.eq(self.slice),
                        assign.eq(self.assign),
                        self.rekey_key.eq(Mux(self.assign, self.key, KEY_NOBODY)),
                        self.phase.eq(REVOKE if is_device else BLOCK),
                    ]
            with m.Case(REVOKE):
                with m.If(self.rekey_held):
                    m.d.sync += self.phase.eq(BLOCK)
            with m.Case(BLOCK):
                for n, (_, owned, _) in enumerate(owners):
                    with m.If(context == n):
                        m.d.sync += owned.eq(0)
                if port.has_reset:
                    m.d.sync += [self.isolate.eq(1), self.reset.eq(1)]
                m.d.sync += [self.phase.eq(DRAIN), countdown.eq(plan.reset_cycles)]
            with m.Case(DRAIN):
                # The countdown lets what was accepted in the last cycle reach the ledger before it is asked.
                m.d.sync += countdown.eq(Mux(countdown == 0, 0, countdown - 1))
                with m.If((countdown < plan.reset_cycles - 2) & nothing_left):
                    m.d.sync += [self.phase.eq(RESET), countdown.eq(plan.reset_cycles)]
            with m.Case(RESET):
                m.d.sync += countdown.eq(countdown - 1)
                with m.If(countdown == 0):
                    m.d.sync += [self.phase.eq(ASSIGN), countdown.eq(plan.reset_cycles)]
                    for n, (owner, _, charged) in enumerate(owners):
                        with m.If(context == n):
                            m.d.sync += [owner.eq(new_slice), charged.eq(0)]
            with m.Case(ASSIGN):
                m.d.sync += countdown.eq(countdown - 1)
                with m.If(countdown == 0):
                    m.d.sync += self.phase.eq(GRANT if is_device else RELEASE)
                    for n, (_, owned, charged) in enumerate(owners):
                        with m.If(context == n):
                            m.d.sync += [owned.eq(assign), charged.eq(assign)]
            with m.Case(GRANT):
                with m.If(self.rekey_finished):
                    m.d.sync += self.phase.eq(RELEASE)
            with m.Case(RELEASE):
                m.d.comb += self.finished.eq(1)
                m.d.sync += [self.isolate.eq(0), self.phase.eq(IDLE)]
                if port.has_reset:
                    m.d.sync += self.reset.eq(~assign)
        m.d.sync += self.hold.eq(self.reset)
        return m
