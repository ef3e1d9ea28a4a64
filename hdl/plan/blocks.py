"""Which registers a card has: the programmer's view of every engine."""

from .plan import FRACTION_BITS, LANE_WIDTHS, SLOT_CYCLES, Plan, bits_for
from .registers import MAGIC, MAP_VERSION, TOKEN_BITS, Access, Field, Register, RegisterMap, pack

RW, RO, CMD, W1C = Access.READ_WRITE, Access.READ_ONLY, Access.COMMAND, Access.WRITE_ONE_TO_CLEAR
Described = tuple[str, tuple[str, ...], str, list[Register]]

REKEY_PHASES = ("idle", "revoke", "drain", "scrub", "flush", "hold", "grant", "settle")
HANDOVER_PHASES = ("idle", "revoke", "block", "drain", "reset", "assign", "grant", "release")
FAULT_KINDS = ("none", "no_slice", "window", "burst", "key", "revoked", "cut_off")
LOAD_LEVELS = ("light", "optimal", "moderate", "severe")
OWNER = ("identity", "FENCE")
"""The register that tells whose writes the card takes."""
INTERRUPTS = ("fault", "rekey", "handover", "barrier", "window", "cut_off")


def _register(name: str, offset: int, doc: str, *fields: Field, stored: bool = False) -> Register:
    return Register(name, offset, doc, fields, stored=stored)


def _identity() -> list[Register]:
    words = [
        _register(
            "MAGIC", 0x00, "Tells that this is a hardslice card.", Field("value", 0, 32, RO, "0x48534C43.", MAGIC)
        ),
        _register("VERSION", 0x04, "Version of the register map.", Field("value", 0, 32, RO, "Version.", MAP_VERSION)),
    ]
    for word in range(4):
        doc = "The manifest's SHA-256, first 128 bits, most significant word first."
        words.append(_register(f"HASH{word}", 0x08 + 4 * word, doc, Field("value", 0, 32, RO, "Word of the hash.")))
    words.append(
        _register(
            "GENERATION",
            0x18,
            "Written by the RAM at the end of each transition; a script compares it before it starts.",
            Field("value", 0, 32, RW, "Number of transitions since reset."),
            stored=True,
        )
    )
    words.append(
        _register(
            "FENCE",
            0x1C,
            "Whose writes the card takes: all others are answered SLVERR and change nothing. A write carries its token "
            "in the address bits above the map. This register itself is written with a token that is not older, in the "
            "address and as the value.",
            Field("token", 0, TOKEN_BITS, RW, "Token of the owner."),
        )
    )
    return words


def _interrupt() -> list[Register]:
    docs = {
        "fault": "The fault log has an entry.",
        "rekey": "A rekey has finished.",
        "handover": "A hand-over has finished.",
        "barrier": "A barrier has finished.",
        "window": "A window fill has finished.",
        "cut_off": "A target was cut off.",
    }
    pending = [Field(name, bit, 1, W1C, docs[name]) for bit, name in enumerate(INTERRUPTS)]
    enable = [
        Field(name, bit, 1, RW, "Lets this cause raise the interrupt output.") for bit, name in enumerate(INTERRUPTS)
    ]
    return [
        Register("PENDING", 0x0, "Causes that have come up; write one to clear.", tuple(pending)),
        Register("ENABLE", 0x4, "Causes that raise the interrupt output.", tuple(enable)),
    ]


def _barrier() -> list[Register]:
    return [
        _register(
            "COMMAND",
            0x0,
            "Starts a barrier: waits until every request that had passed a key check is answered.",
            Field(
                "start",
                0,
                1,
                CMD,
                "Ignored while busy: the running barrier's end does not cover what was written since.",
            ),
        ),
        _register("STATUS", 0x4, "State of the barrier.", Field("busy", 0, 1, RO, "A barrier is running.")),
    ]


def _window(plan: Plan) -> list[Register]:
    return [
        _register(
            "CONTEXT",
            0x0,
            "Which window the next fill writes.",
            Field("index", 0, bits_for(len(plan.contexts)), RW, "Index in the card's list of contexts."),
        ),
        _register("FIRST", 0x4, "First window granule of the fill.", Field("granule", 0, 16, RW, "Window granule.")),
        _register("COUNT", 0x8, "Number of window granules to fill.", Field("granules", 0, 17, RW, "Window granules.")),
        _register(
            "FILL",
            0xC,
            "Fills COUNT entries, one per cycle; consecutive entries map to consecutive granules. Ignored while busy.",
            Field("granule", 0, 20, CMD, "Granule of the target that the first entry maps to."),
            Field("target", 20, 6, CMD, "Target."),
            Field("readable", 28, 1, CMD, "Reads are let through to the key check."),
            Field("writable", 29, 1, CMD, "Writes are let through to the key check."),
        ),
        _register("STATUS", 0x10, "State of the fill.", Field("busy", 0, 1, RO, "A fill is running.")),
    ]


def _fault() -> list[Register]:
    return [
        _register("LEVEL", 0x0, "Entries in the log.", Field("entries", 0, 9, RO, "Entries.")),
        _register(
            "LOST",
            0x4,
            "Denials that did not get into the log (full, or too many at once), since reset, modulo 2**32.",
            Field("count", 0, 32, RO, "Denials."),
        ),
        _register(
            "HEAD",
            0x8,
            "The oldest entry; zero when the log is empty.",
            Field("kind", 0, 3, RO, "Why the request was denied.", values=FAULT_KINDS),
            Field("write", 3, 1, RO, "1 for a write."),
            Field("initiator", 4, 5, RO, "Port on which the request came in."),
            Field("target", 9, 5, RO, "Target that denied it, for the kinds key, revoked and cut_off."),
            Field("context", 14, 6, RO, "AxUSER value of the context."),
            Field("slice", 20, 5, RO, "Slice of the request."),
            Field("owned", 25, 1, RO, "1 if the context had a slice."),
        ),
        _register(
            "ADDRESS_LOW",
            0xC,
            "Address of the oldest entry, inside the window (inside the target if that denied it): bits 31 to 0.",
            Field("value", 0, 32, RO, "Address."),
        ),
        _register(
            "ADDRESS_HIGH", 0x10, "Address of the oldest entry: bits 63 to 32.", Field("value", 0, 32, RO, "Address.")
        ),
        _register("POP", 0x14, "Drops the oldest entry.", Field("pop", 0, 1, CMD, "Any write.")),
    ]


def _slice(plan: Plan) -> list[Register]:
    counters = (
        ("READ_BEATS", "Beats of reads that were let through the ingress."),
        ("WRITE_BEATS", "Beats of writes that were let through the ingress."),
        ("READ_REQUESTS", "Reads that were let through the ingress."),
        ("WRITE_REQUESTS", "Writes that were let through the ingress."),
        ("DENIALS", "Requests that were denied, anywhere."),
        (
            "STALLS",
            "Cycles in which a request of the slice stood at an ingress and could not go on; all ingresses added up.",
        ),
        (
            "LONGEST_LATENCY",
            "Longest time from acceptance to last response since the snapshot before, in cycles modulo 65536.",
        ),
    )
    halvings: tuple[Field, ...] = ()
    if plan.piece_bits:
        doc = f"How often the card's chunk of {plan.chunk} beats is halved for the pieces of the slice's bursts."
        halvings = (Field("halvings", 8, plan.halving_bits, RW, doc),)
    registers = [
        _register(
            "QOS",
            0x0,
            "Arbitration.",
            Field("class", 0, plan.class_bits, RW, "The higher class goes first."),
            *halvings,
            stored=True,
        ),
        _register(
            "RATE",
            0x4,
            f"Limit over all ports, in 2**-{FRACTION_BITS} beats per {plan.meter_period} cycles.",
            Field("rate", 0, 24, RW, "Tokens added per meter period."),
            Field("limited", 31, 1, RW, "0: no limit."),
            stored=True,
        ),
        _register(
            "BURST",
            0x8,
            "Depth of the token bucket; 0 stops a slice that has a limit.",
            Field("beats", 0, 16, RW, "Beats."),
            stored=True,
        ),
    ]
    if plan.separate_budgets:
        registers += _write_budget(plan)
    if plan.slice_outstanding:
        most = 2 * len(plan.initiators) * plan.outstanding
        registers.append(
            _register(
                "OUTSTANDING",
                0x14,
                "Requests that the slice may have outstanding over all ports, reads and writes together; with strict "
                "isolation each piece of a burst is one.",
                Field("requests", 0, bits_for(most + 1), RW, "Requests; 0: no limit."),
            )
        )
    for word, (name, doc) in enumerate(counters):
        text = f"{doc} Value of the last snapshot."
        fields = (Field("value", 0, 32, RO, "Count, modulo 2**32."),)
        registers.append(Register(name, 0x20 + 4 * word, text, fields, external=True))
    return registers


def _write_budget(plan: Plan) -> list[Register]:
    return [
        _register(
            "WRITE_RATE",
            0xC,
            f"Limit of writes over all ports, in 2**-{FRACTION_BITS} beats per {plan.meter_period} cycles.",
            Field("rate", 0, 24, RW, "Tokens added per meter period."),
            Field("separate", 30, 1, RW, "0: RATE and BURST hold for reads and writes together. 1: for reads alone."),
            Field("limited", 31, 1, RW, "0: no limit of writes alone. Without effect unless `separate` is set."),
            stored=True,
        ),
        _register(
            "WRITE_BURST",
            0x10,
            "Depth of the token bucket of writes; 0 stops the writes of a slice that has a limit of them.",
            Field("beats", 0, 16, RW, "Beats."),
            stored=True,
        ),
    ]


def _counters() -> list[Register]:
    return [
        _register(
            "SNAPSHOT",
            0x0,
            "Copies the counters of all slices at one instant. Ignored while busy.",
            Field("start", 0, 1, CMD, "Any write."),
        ),
        _register("STATUS", 0x4, "State of the snapshot.", Field("busy", 0, 1, RO, "A snapshot is being taken.")),
    ]


def _key(plan: Plan) -> list[Register]:
    return [
        _register(
            "READ",
            0x0,
            "Slices that may read what carries this key. Key 0 has none.",
            Field("slices", 0, plan.slices, RW, "One bit per slice."),
            stored=True,
        ),
        _register(
            "WRITE",
            0x4,
            "Slices that may write what carries this key. Key 0 has none.",
            Field("slices", 0, plan.slices, RW, "One bit per slice."),
            stored=True,
        ),
    ]


def _initiator(plan: Plan) -> list[Register]:
    return [
        _register(
            "BOOT_LOW", 0x0, "Boot address given to the core: bits 31 to 0.", Field("address", 0, 32, RW, "Address.")
        ),
        _register(
            "BOOT_HIGH",
            0x4,
            "Boot address given to the core: bits 63 to 32.",
            Field("address", 0, 32, RW, "Address."),
            stored=plan.address_width <= 32,  # such a core has no use for it
        ),
        _register(
            "KEY",
            0x8,
            "Key that a PCIe device's register target gets in the next hand-over.",
            Field("key", 0, plan.key_bits, RW, "Key."),
        ),
        _register(
            "HANDOVER",
            0xC,
            "Starts a hand-over of one context. A command while busy is refused.",
            Field("slice", 0, plan.slice_bits, CMD, "New slice."),
            Field(
                "assign", 8, 1, CMD, "0: the context belongs to nobody afterwards, and a core or device stays in reset."
            ),
            Field("context", 16, plan.user_bits, CMD, "AxUSER value of the context; 0 on a port without contexts."),
        ),
        _register(
            "STATUS",
            0x10,
            "State of the hand-over.",
            Field("phase", 0, 3, RO, "What the engine is doing.", values=HANDOVER_PHASES),
            Field(
                "refused", 4, 1, RO, "The last command was refused, since one was running or a field was out of range."
            ),
            Field("in_reset", 5, 1, RO, "The core or device is held in reset."),
            Field("on_hold", 6, 1, RO, "The core is held before its first instruction."),
        ),
    ]


def _context(plan: Plan) -> list[Register]:
    return [
        _register(
            "OWNER",
            0x0,
            "Slice of the context.",
            Field("slice", 0, plan.slice_bits, RO, "Slice."),
            Field("owned", 8, 1, RO, "0: the context belongs to nobody and all its requests are denied."),
        )
    ]


def _target(plan: Plan) -> list[Register]:
    bits = plan.physical_granule_bits
    cut = (
        Field("cut_off", 8, 1, RO, "It did not answer and is cut off; the fabric answers in its stead, with an error."),
        Field("settled", 9, 1, RO, "It is cut off, and all that it owed is answered."),
    )
    registers = [
        _register(
            "FIRST", 0x0, "First granule of the next rekey.", Field("granule", 0, bits, RW, "Granule."), stored=True
        ),
        _register(
            "LAST", 0x4, "Last granule of the next rekey.", Field("granule", 0, bits, RW, "Granule."), stored=True
        ),
        _register(
            "REKEY",
            0x8,
            "Starts a rekey of the range. A command while busy, or with a wrong range or key, is refused.",
            Field("key", 0, plan.key_bits, CMD, "New key."),
            Field("scrub", 16, 1, CMD, "Write zeros over the range before the key is set. Memory only."),
        ),
        _register(
            "STATUS",
            0xC,
            "State of the rekey engine. After reset it is busy until every granule has key 0.",
            Field("phase", 0, 3, RO, "What the engine is doing.", values=REKEY_PHASES),
            Field("refused", 4, 1, RO, "The last command was refused."),
            Field("failed", 5, 1, RO, "A scrub write was answered with an error: the range was left with key 0."),
            *(cut if plan.cuts_off else ()),
        ),
        _register(
            "PROGRESS", 0x10, "Granule that the engine is working on.", Field("granule", 0, bits, RO, "Granule.")
        ),
    ]
    if plan.cuts_off:
        doc = "Attaches the target again. Ignored unless it is cut off and settled. It must have been reset before."
        registers.append(_register("ATTACH", 0x14, doc, Field("attach", 0, 1, CMD, "Any write.")))
    if plan.slotted:
        most = max(target.time_slots for target in plan.targets)
        registers += [
            _register(
                "SLOT",
                0x18,
                f"Sets one of the target's time slots of {SLOT_CYCLES} cycles, from when it next begins.",
                Field("index", 0, bits_for(most), CMD, "Number of the slot, modulo the target's number of slots."),
                Field("slice", 8, plan.slice_bits, CMD, "Slice that has it."),
                Field("owned", 16, 1, CMD, "0: it is open to all slices that have no slots."),
            ),
            _register(
                "TIMED",
                0x1C,
                "Slices that use the target in their own time slots alone. While there is none, slots mean nothing.",
                Field("slices", 0, plan.slices, RW, "One bit per slice."),
            ),
        ]
    return registers


def _controller(plan: Plan) -> list[Register]:
    lane = bits_for(plan.lanes)
    return [
        _register(
            "STEER",
            0x0,
            "Steers lanes to the controller. Refused unless its device is in reset, the width is one of PCIe's, the "
            "first lane a multiple of it, and no other controller has one of the lanes.",
            Field("first", 0, lane, CMD, "First lane."),
            Field("width", 8, 5, CMD, "Number of lanes: 0, " + ", ".join(map(str, LANE_WIDTHS)) + "."),
        ),
        _register(
            "STATUS",
            0x4,
            "Lanes of the controller.",
            Field("first", 0, lane, RO, "First lane."),
            Field("width", 8, 5, RO, "Number of lanes."),
            Field("refused", 16, 1, RO, "The last command was refused."),
        ),
    ]


def blocks(plan: Plan) -> list[Described]:
    """All register blocks of a card, before they have addresses."""
    one = ("",)
    contexts = tuple(f"{plan.initiators[context.initiator].name}_{context.number}" for context in plan.contexts)
    return [
        ("identity", one, "Which card this is.", _identity()),
        ("interrupt", one, "Interrupt causes.", _interrupt()),
        ("barrier", one, "Completion of a change of rights.", _barrier()),
        ("window", one, "The window fill engine.", _window(plan)),
        ("fault", one, "The fault log.", _fault()),
        ("counters", one, "Snapshot of the counters.", _counters()),
        (
            "slice",
            tuple(f"slice{index}" for index in range(plan.slices)),
            "Contract and counters of a slice.",
            _slice(plan),
        ),
        ("key", tuple(f"key{index}" for index in range(plan.keys)), "Rights on a key.", _key(plan)),
        (
            "initiator",
            tuple(port.name for port in plan.initiators),
            "Hand-over engine of an initiator port.",
            _initiator(plan),
        ),
        ("context", contexts, "Who owns a context.", _context(plan)),
        ("target", tuple(port.name for port in plan.targets), "Rekey engine of a target port.", _target(plan)),
        (
            "controller",
            tuple(device.name for device in plan.devices),
            "Lane switch of a PCIe controller.",
            _controller(plan),
        ),
    ]


def register_map(plan: Plan) -> RegisterMap:
    """The register map of a card."""
    return pack(blocks(plan))
