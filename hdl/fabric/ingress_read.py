"""Where reads enter the fabric without strict isolation."""

from amaranth.hdl import Module, Signal

from ..plan.plan import Initiator, Plan
from .entry import Entry
from .ingress import Ingress
from .translate import Translate


class IngressRead(Ingress):
    """Read plane of an initiator port; see :class:`Ingress`."""

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        super().__init__(plan, initiator, write=False)

    def _send(
        self, m: Module, entry: Entry, translate: Translate, begins: Signal, denied_here: Signal, stalled: Signal
    ) -> None:
        m.d.comb += [
            self.request_valid.eq(translate.ask),
            begins.eq(self.request_ready.any() | translate.deny),
            denied_here.eq(translate.deny),
            translate.leave.eq(begins),
            stalled.eq(translate.valid & ~begins & translate.head.owned),
        ]
