"""P6 behind a gate with strict isolation: a request is seen until it is answered, in whatever order answers come."""

from __future__ import annotations

from amaranth.hdl import Mux, Signal

from hdl.fabric.under_way import UnderWay
from hdl.plan.plan import Plan, Target

from .harness import Harness

ONE_SLOT = "a slot is not given again before its answer is delivered"
ASKED = "a target answers what it was asked, once; if it has a time limit, the card sees to that"
TABLE = "the epoch of what is answered is known"


def under_way(plan: Plan, target: Target) -> Harness:
    """The requests of one ID, any one, and how many there are of the others."""
    h = Harness()
    m = h.m
    box = h.place(UnderWay(plan, target))
    identity = h.constant(plan.target_id_bits, "identity")
    stood, last_identity, last_epoch = Signal(), Signal(plan.target_id_bits), Signal()
    m.d.sync += [stood.eq(box.stands), last_identity.eq(box.identity), last_epoch.eq(box.stands_epoch)]
    told = ("what was checked is seen", "who asked is told", "the epoch is told")
    h.assume(~box.passes | (stood & (box.passes_epoch == last_epoch)), *told)

    there, born = Signal(), Signal()
    starts, ends = box.passes & (last_identity == identity), box.ends & (box.answer_id == identity)
    m.d.sync += there.eq((there | starts) & ~ends)
    with m.If(starts):
        m.d.sync += born.eq(box.passes_epoch)
    h.assume(~(box.stands & (box.identity == identity)) | ~(there | starts), ONE_SLOT)
    h.assume(
        ~ends | there | starts,
        environment=ASKED,
    )
    now = Mux(starts, box.passes_epoch, born)
    h.show("there", there)

    # Of each other ID the same is claimed, so an answer to one is of an epoch of which there is one.
    most = plan.outstanding * len(target.initiators)
    table = box.word(m, "epochs", box.answer_id)
    others = [Signal(range(most + 1), name=f"others{epoch}") for epoch in range(2)]
    for epoch, count in enumerate(others):
        comes = box.passes & ~starts & (box.passes_epoch == epoch)
        goes = box.ends & ~ends & (table == epoch)
        h.assume(~goes | comes | (count != 0), TABLE)
        m.d.sync += count.eq(count + comes - goes)
        h.invariant("counted", box.signal(f"under_way{epoch}") == count + (there & (born == epoch)))
    h.assume(~(box.passes | box.stands) | (others[0] + others[1] + there < most), ONE_SLOT)
    h.invariant("no more than there are slots", others[0] + others[1] + there <= most)
    noted = box.word(m, "epochs", identity)
    h.invariant("noted while it stands", noted == last_epoch, when=stood & (last_identity == identity))
    h.invariant("noted", noted == born, when=there)
    h.claim(TABLE, table == now, when=ends)
    h.claim("what is not answered is seen", box.behind, when=there & (born != box.epoch))
    older = [count + (there & (born == epoch)) for epoch, count in enumerate(others)]
    h.claim("when all is answered, nothing is seen", ~box.behind, when=Mux(box.epoch, older[0], older[1]) == 0)
    return h
