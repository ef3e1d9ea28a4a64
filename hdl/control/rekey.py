"""How a granule changes owner: revoke, drain, scrub, grant."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..fabric.scrubber import scrub_bits, scrubber_members
from ..plan.blocks import REKEY_PHASES
from ..plan.plan import KEY_NOBODY, SCRUB_BEATS, Plan, Target

SCRUBS = 31
"""Scrub writes that may be unanswered at a time."""
IDLE, REVOKE, DRAIN, SCRUB, FLUSH, HOLD, GRANT, SETTLE = range(len(REKEY_PHASES))


class Rekey(wiring.Component):
    """Rekey engine of a target.

    From the command on, every request to the range is denied. The engine waits until all requests that had been granted
    before are answered, writes zeros over the range, waits for their responses, writes the new key granule by granule,
    drains once more, so that no key that was looked up before is still in the gate, and lifts the range. If a scrub
    write is answered with an error, the range is left with the key of nobody.

    A target that is cut off counts as one that answers every scrub write with an error.

    After reset it sets the key of nobody on every granule, and the whole target is denied meanwhile.

    Latency: 4 cycles plus two drains, plus ``granules`` for the keys, plus at least one cycle per beat for the scrub.

    Members
    -------
    command : In(1)
        Start with `first`, `last`, `key`, `scrub`. Refused while busy or when one of them is out of range.
    phase, refused, failed, progress : Out
    finished : Out(1)
        A command ends in this cycle.
    handover, handover_key : In
        The hand-over engine of the target's device changes the key; held until `held`.
    held : Out(1)
        The range is revoked and drained; the engine waits for `grant`.
    grant : In(1)
    drain, drained : the client port of :class:`hdl.fabric.epochs.Epochs`
    revoke, revoke_first, revoke_last, key_write, key_granule, key_value : Out
        To both gates.
    scrub_burst, scrub_valid, scrub_first, scrub_last, scrub_ready
        The scrubber's port at the write gate, see :func:`hdl.fabric.scrubber.scrubber_members`.
    scrub_done, scrub_error : In(1)
        A scrub write was answered.
    scrubs : Out(1)
        A scrub write is to be sent or answered.
    cut : In(1)
        The target is cut off.
    """

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan, self.target = plan, target
        granule = plan.physical_granule_bits
        super().__init__(
            {
                "command": In(1),
                "first": In(granule),
                "last": In(granule),
                "key": In(plan.key_bits),
                "scrub": In(1),
                "phase": Out(3, init=GRANT),
                "refused": Out(1),
                "failed": Out(1),
                "progress": Out(granule),
                "finished": Out(1),
                "handover": In(1),
                "handover_key": In(plan.key_bits),
                "held": Out(1),
                "grant": In(1),
                "drain": Out(1),
                "drained": In(1),
                "revoke": Out(1),
                "revoke_first": Out(granule),
                "revoke_last": Out(granule, init=target.keyed - 1),
                "key_write": Out(1),
                "key_granule": Out(granule),
                "key_value": Out(plan.key_bits),
                **{name: member.flip() for name, member in scrubber_members(plan).items()},
                "scrub_done": In(1),
                "scrub_error": In(1),
                "scrubs": Out(1),
                "cut": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, target = self.plan, self.target
        memory = target.kind == "memory"
        new_key = Signal(plan.key_bits, init=KEY_NOBODY)
        wants_scrub = Signal()
        by_handover = Signal()
        acceptable = Signal()
        at_end = Signal()
        scrub_follows = Signal()
        to_first = Signal()
        onward = Signal()
        next_scrubbed = Signal()
        m.d.comb += [
            self.revoke.eq(self.phase != IDLE),
            self.drain.eq((self.phase == DRAIN) | (self.phase == REVOKE) | (self.phase == SETTLE)),
            self.held.eq(self.phase == HOLD),
            self.key_write.eq(self.phase == GRANT),
            self.key_granule.eq(self.progress),
            self.key_value.eq(new_key),
            scrub_follows.eq(wants_scrub & ~by_handover),
            at_end.eq(self.progress == self.revoke_last),
            to_first.eq((self.phase == REVOKE) | (self.phase == FLUSH)),
            onward.eq(((self.phase == GRANT) & ~at_end) | next_scrubbed),
        ]
        if target.device is None:
            m.d.comb += acceptable.eq(
                (self.first <= self.last) & (self.last < target.keyed) & (self.key < plan.keys) & (memory | ~self.scrub)
            )
        with m.If(self.command):
            m.d.sync += self.refused.eq((self.phase != IDLE) | ~acceptable)

        scrubbed, nothing_left = self._scrubber(m, at_end, next_scrubbed) if memory else (Const(1), Const(1))
        with m.If(to_first | onward):
            m.d.sync += self.progress.eq(Mux(to_first, self.revoke_first, self.progress + 1))
        with m.Switch(self.phase):
            with m.Case(IDLE):
                with m.If(self.handover):
                    m.d.sync += [
                        self.phase.eq(REVOKE),
                        by_handover.eq(1),
                        new_key.eq(self.handover_key),
                        wants_scrub.eq(0),
                        self.revoke_first.eq(0),
                        self.revoke_last.eq(target.keyed - 1),
                    ]
                with m.Elif(self.command & acceptable):
                    m.d.sync += [
                        self.phase.eq(REVOKE),
                        self.failed.eq(0),
                        by_handover.eq(0),
                        new_key.eq(self.key),
                        wants_scrub.eq(self.scrub),
                        self.revoke_first.eq(self.first),
                        self.revoke_last.eq(self.last),
                    ]
            with m.Case(REVOKE):
                m.d.sync += self.phase.eq(DRAIN)
            with m.Case(DRAIN):
                with m.If(self.drained):
                    m.d.sync += self.phase.eq(Mux(by_handover, HOLD, Mux(scrub_follows, SCRUB, GRANT)))
            with m.Case(SCRUB):
                with m.If(scrubbed):
                    m.d.sync += self.phase.eq(FLUSH)
            with m.Case(FLUSH):
                with m.If(nothing_left):
                    m.d.sync += self.phase.eq(GRANT)
                    with m.If(self.failed):
                        m.d.sync += new_key.eq(KEY_NOBODY)
            with m.Case(HOLD):
                with m.If(self.grant):
                    m.d.sync += self.phase.eq(GRANT)
            with m.Case(GRANT):
                with m.If(at_end):
                    m.d.sync += self.phase.eq(SETTLE)
            with m.Case(SETTLE):
                with m.If(self.drained):
                    m.d.comb += self.finished.eq(1)
                    m.d.sync += self.phase.eq(IDLE)
        return m

    def _scrubber(self, m: Module, at_end: Signal, next_scrubbed: Signal) -> tuple[Signal, Signal]:
        """Bursts of zeros over granule `progress` and on; returns "all sent" and "all answered"."""
        plan = self.plan
        chunk = Signal(plan.granule_bits - scrub_bits(plan))
        beat = Signal(exact_log2(SCRUB_BEATS))
        sent = Signal()
        burst_end = Signal()
        granule_end = Signal()
        all_sent = Signal()
        nothing_left = Signal()
        outstanding = Signal(range(SCRUBS + 1))
        m.d.comb += [
            # Not more at a time than can be counted.
            self.scrub_valid.eq((self.phase == SCRUB) & (~self.scrub_first | (outstanding < SCRUBS))),
            self.scrubs.eq((self.phase == SCRUB) | ~nothing_left),
            self.scrub_burst.eq(Cat(chunk, self.progress)),
            self.scrub_first.eq(beat == 0),
            self.scrub_last.eq(beat == SCRUB_BEATS - 1),
            sent.eq(self.scrub_valid & self.scrub_ready),
            burst_end.eq(sent & self.scrub_last),
            granule_end.eq(burst_end & chunk.all()),
            all_sent.eq(granule_end & at_end),
            next_scrubbed.eq(granule_end & ~at_end),
            nothing_left.eq(outstanding == 0),
        ]
        # A target that answers what it was not asked for must not make the count wrap.
        m.d.sync += outstanding.eq(outstanding + burst_end - (self.scrub_done & ~nothing_left))
        with m.If(sent):
            m.d.sync += beat.eq(beat + 1)
        with m.If(burst_end):
            m.d.sync += chunk.eq(chunk + 1)
        with m.If(self.scrub_done & self.scrub_error):
            m.d.sync += self.failed.eq(1)
        with m.If(self.cut & self.scrubs):
            m.d.sync += [outstanding.eq(0), self.failed.eq(1)]
        return all_sent, nothing_left
