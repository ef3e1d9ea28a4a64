"""What a traffic generator is told, and what it tells: one register each, in each of its two planes."""

from amaranth.lib import data

from ..plan.plan import Plan

REGIONS = 8
"""Runs of window granules that a generator can use."""
SLOTS = 64
"""Places in a region; a request touches one."""
PATTERNS = ("sequential", "random", "strided", "hotspot")
MOST_WORDS = 1 << 17
"""Of a memory behind a target: 1 MiB at 64 bits. What lies beyond would be found at its beginning again."""
BUCKETS = 16
"""Of the latency histogram: bucket n counts latencies from 2**n on."""

SETTINGS: dict[str, int] = {
    "run": 1,  # new requests are made
    "check": 1,  # data is checked; a place is then used by one request at a time
    "pattern": 2,
    "stride": 6,
    "slot_mask": 6,  # places used: a power of two less one
    "region_mask": 3,  # entries of `route` used: a power of two less one
    "region_first": 3,
    "route": 24,  # eight region numbers, the lowest first: those that are in use, some of them several times
    "region_walk": 1,  # regions in turn instead of at random
    "slot_bits": 4,  # size of a place: 2**slot_bits bytes
    "offset_mask": 12,  # random part of the offset in a place
    "length": 8,  # AxLEN
    "length_mask": 8,  # random part of it, added
    "size_mask": 3,  # random part by which AxSIZE falls short of the full width
    "bursts": 3,  # allowed types, a bit each: FIXED, INCR, WRAP
    "partial": 1,  # some writes leave out bytes
    "id_first": 8,
    "id_mask": 8,
    "id_walk": 1,  # IDs in turn instead of at random
    "pause_mask": 8,  # random pause after each request, in cycles
    "limit": 6,  # outstanding requests
    "reluctance": 8,  # in how many cycles of 256 no response is taken
    "expect": 2,  # response of a request that is right
    "mute": 1,  # errors do not count; ends with the port's next reset, as `run` does
    "forget": 8,  # what was written in these regions is forgotten, once (settings of the read plane only)
    "rate": 8,  # in how many cycles of 256 a request falls due, to be made when it can be; 0: one is always due
    "replay": 1,  # places and times come from the program, not from `pattern`, `region_*` and `pause_mask`
}
"""Name and width. For each region come ``base0`` to ``base7``, its first window granule, and ``user0`` to ``user7``,
its AxUSER."""

ROUTE = sum(number << 3 * number for number in range(REGIONS))
"""The route that leads to each region once, in order."""

STATISTICS = (
    "issued", "completed", "beats", "latency_sum", "latency_max", "errors", "first_error", "first_place",
    "last_error_id",
)  # fmt: skip
"""32 bits each; the histogram comes after them."""
BUSY = 31
"""Number of the statistic that has a bit for each region in which something is under way."""


def settings_layout(plan: Plan) -> data.StructLayout:
    """All settings of a plane."""
    fields = SETTINGS | {f"base{n}": plan.window_bits for n in range(REGIONS)}
    fields |= {f"user{n}": plan.user_bits for n in range(REGIONS)}
    return data.StructLayout(fields)
