"""A traffic generator: acts as the initiator of one port, reads and writes at once, and checks all that it reads."""

from amaranth.hdl import Array, Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus import axi
from ..plan.plan import Plan
from .bursts import shape_layout
from .plane import TrafficPlane, place_bits
from .replay import ENTRIES, Replay, entry_layout
from .settings import BUSY, REGIONS, SLOTS, settings_layout

NUMBER_BITS = 16
"""Of the numbers that tell entries that count from older ones; a test does not last until they come round."""


class TrafficGenerator(wiring.Component):
    """Both planes, the program that they can replay, and what was last written in each place.

    Members
    -------
    number : In(8)
        Constant; tells generators apart, in what they write and in what is random. From 1.
    port : AXI4, as a manager
    write_setting, setting, setting_value : In
        Setting number `setting` in the order of :func:`settings_layout` becomes `setting_value`; `setting_plane` says
        in which plane (1: writes).
    reset : In(1)
        The card holds the port in reset: what was under way is forgotten, and nothing is made until `run` is set anew.
        A program that is replayed stops, and waits for the next start; its entries stay.
    measure, clear : In(1)
        See :class:`TrafficPlane`.
    statistic_plane, statistic : In
    value : Out(32)
        The statistic that is asked for.
    idle : Out(1)
        Nothing is outstanding.
    replay_store, replay_at, replay_entry, replay_start, replay_loop : In
        See :class:`Replay`; both planes need the setting `replay`, and the limit is that of the reads.
    replay_ended, replay_cycles : Out
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        port = axi.Signature(
            data_width=plan.data_width,
            address_width=plan.address_width,
            id_width=plan.id_width,
            user_width=plan.user_bits,
        )
        super().__init__(
            {
                "number": In(8),
                "port": Out(port),
                "write_setting": In(1),
                "setting_plane": In(1),
                "setting": In(6),
                "setting_value": In(32),
                "reset": In(1),
                "measure": In(1),
                "clear": In(1),
                "statistic_plane": In(1),
                "statistic": In(5),
                "value": Out(32),
                "idle": Out(1),
                "replay_store": In(1),
                "replay_at": In(range(ENTRIES)),
                "replay_entry": In(entry_layout()),
                "replay_start": In(1),
                "replay_loop": In(1),
                "replay_ended": Out(1),
                "replay_cycles": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        layout = settings_layout(plan)
        reads = TrafficPlane(plan, write=False)
        writes = TrafficPlane(plan, write=True)
        m.submodules.reads, m.submodules.writes = ResetInserter(self.reset)(reads), ResetInserter(self.reset)(writes)
        planes = (reads, writes)
        m.submodules.shapes = shapes = Memory(shape=shape_layout(), depth=1 << place_bits(), init=[])
        keep = shapes.write_port()
        forgotten = Signal(REGIONS)
        for n, plane in enumerate(planes):
            recall = shapes.read_port(domain="comb")
            settings = Signal(layout, name=f"settings{n}")
            with m.If(self.write_setting & (self.setting_plane == n)), m.Switch(self.setting):
                for number, (name, field) in enumerate(layout):
                    with m.Case(number):
                        m.d.sync += settings[name].eq(self.setting_value[: field.width])
                        if name == "forget" and plane is reads:
                            m.d.comb += forgotten.eq(self.setting_value)
            with m.If(self.reset):
                m.d.sync += [settings.run.eq(0), settings.mute.eq(0)]
            m.d.comb += [
                recall.addr.eq(plane.proposed),
                plane.known.eq(recall.data),
                plane.settings.eq(settings),
                plane.measure.eq(self.measure),
                plane.clear.eq(self.clear),
                plane.tag.eq(self.number - 1),
                plane.seed.eq(Cat(plane.write, self.number)),
                plane.statistic.eq(self.statistic),
            ]
        outstanding = Signal(range(256))
        m.d.sync += outstanding.eq(outstanding + reads.makes + writes.makes - reads.ends - writes.ends)
        with m.If(self.reset):
            m.d.sync += outstanding.eq(0)
        busy_regions = self._remember(m, planes, forgotten)
        value = Mux(self.statistic_plane, writes.value, reads.value)
        m.d.comb += [
            reads.permitted.eq(1),
            writes.permitted.eq(~reads.makes | (reads.proposed != writes.proposed)),
            keep.en.eq(writes.makes),
            keep.addr.eq(writes.proposed),
            keep.data.eq(writes.shape),
            self.value.eq(Mux(self.statistic == BUSY, busy_regions, value)),
            self.idle.eq(outstanding == 0),
        ]
        self._replay(m, reads, writes)
        self._connect(m, reads, writes)
        return m

    def _replay(self, m: Module, reads: TrafficPlane, writes: TrafficPlane) -> None:
        replay = Replay()
        m.submodules.replay = ResetInserter(self.reset)(replay)
        for name in ("store", "at", "entry", "start", "loop"):
            m.d.comb += getattr(replay, name).eq(getattr(self, f"replay_{name}"))
        m.d.comb += [
            replay.limit.eq(reads.settings.limit),
            replay.made.eq((reads.makes & reads.settings.replay) | (writes.makes & writes.settings.replay)),
            replay.read_ends.eq(reads.ends & reads.settings.replay),
            replay.write_ends.eq(writes.ends & writes.settings.replay),
            reads.replay_place.eq(replay.place),
            reads.replay_ready.eq(replay.read),
            writes.replay_place.eq(replay.place),
            writes.replay_ready.eq(replay.write),
            self.replay_ended.eq(replay.ended),
            self.replay_cycles.eq(replay.cycles),
        ]

    def _remember(self, m: Module, planes: tuple[TrafficPlane, TrafficPlane], forgotten: Signal) -> Value:
        """Which places are in use, and where something was written; returns a bit for each region in use.

        A place's entry counts only if it carries the present number, so that all are cleared at once by a new number.
        """
        _, writes = planes
        depth = 1 << place_bits()
        m.submodules.busy = busy = Memory(shape=NUMBER_BITS, depth=depth, init=[])
        m.submodules.written = written = Memory(shape=NUMBER_BITS, depth=depth, init=[])
        era = Signal(NUMBER_BITS, init=1)
        ages = [Signal(NUMBER_BITS, init=1, name=f"age{region}") for region in range(REGIONS)]
        counts = [Signal(8, name=f"count{region}") for region in range(REGIONS)]
        before = Signal()
        begins = Signal()
        m.d.sync += before.eq(self.reset)
        m.d.comb += begins.eq(self.reset & ~before)
        with m.If(begins):
            m.d.sync += era.eq(era + 1)
        for plane in planes:
            begin, end = busy.write_port(), busy.write_port()
            in_use, known = busy.read_port(domain="comb"), written.read_port(domain="comb")
            m.d.comb += [
                begin.en.eq(plane.makes & plane.settings.check),
                begin.addr.eq(plane.proposed),
                begin.data.eq(era),
                end.en.eq(plane.ends),
                end.addr.eq(plane.ended),
                in_use.addr.eq(plane.proposed),
                plane.busy.eq(in_use.data == era),
                known.addr.eq(plane.proposed),
                plane.written.eq(known.data == Array(ages)[plane.proposed // SLOTS]),
            ]
        write = written.write_port()
        m.d.comb += [
            write.en.eq(writes.makes & writes.settings.check),
            write.addr.eq(writes.proposed),
            write.data.eq(Array(ages)[writes.proposed // SLOTS]),
        ]
        for region, (age, count) in enumerate(zip(ages, counts, strict=True)):
            begun = [plane.makes & (plane.proposed // SLOTS == region) for plane in planes]
            ended = [plane.ends & (plane.ended // SLOTS == region) for plane in planes]
            m.d.sync += count.eq(count + begun[0] + begun[1] - ended[0] - ended[1])
            with m.If(self.reset):
                m.d.sync += count.eq(0)
            with m.If(begins | forgotten[region]):
                m.d.sync += age.eq(age + 1)
        return Cat(count != 0 for count in counts)

    def _connect(self, m: Module, reads: TrafficPlane, writes: TrafficPlane) -> None:
        port = self.port
        for prefix, plane in (("ar", reads), ("aw", writes)):
            payload = plane.address.payload
            m.d.comb += [
                getattr(port, f"{prefix}valid").eq(plane.address.valid),
                plane.address.ready.eq(getattr(port, f"{prefix}ready")),
                getattr(port, f"{prefix}id").eq(payload.id),
                getattr(port, f"{prefix}addr").eq(Cat(payload.access.offset, payload.page)),
                getattr(port, f"{prefix}len").eq(payload.access.length),
                getattr(port, f"{prefix}size").eq(payload.access.size),
                getattr(port, f"{prefix}burst").eq(payload.access.burst),
                getattr(port, f"{prefix}user").eq(payload.user),
            ]
        m.d.comb += [
            port.wvalid.eq(writes.data.valid),
            writes.data.ready.eq(port.wready),
            port.wdata.eq(writes.data.payload.data),
            port.wstrb.eq(writes.data.payload.strobe),
            port.wlast.eq(writes.data.payload.last),
            writes.answer.valid.eq(port.bvalid),
            port.bready.eq(writes.answer.ready),
            writes.answer.payload.id.eq(port.bid),
            writes.answer.payload.response.eq(port.bresp),
            writes.answer.payload.last.eq(1),
            reads.answer.valid.eq(port.rvalid),
            port.rready.eq(reads.answer.ready),
            reads.answer.payload.id.eq(port.rid),
            reads.answer.payload.response.eq(port.rresp),
            reads.answer.payload.data.eq(port.rdata),
            reads.answer.payload.last.eq(port.rlast),
        ]
