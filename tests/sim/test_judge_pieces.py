"""Split bursts: the judge is silent about right ones, and names each fault planted in one by the right check."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.judge import Judgement, judge_runs
from sim.judge.bursts import FIXED, INCR, WRAP
from sim.judge.events import read_trace
from sim.judge.pieces import split
from sim.judge.transactions import FOREVER, Request
from tests.sim.synthetic import SLVERR, Synthetic

HOST, CORE, SCRUBBER = range(3)
CHUNK = 4
WORDS = list(range(0x101, 0x10B))
"""Ten beats: pieces of four, four and two."""


def story(*, chunk: int = CHUNK // 2) -> Synthetic:
    """Bursts of each kind, on a card that splits them; a rekey takes a granule from under two of them.

    At the end the host's slice gets pieces of half as many beats. The card takes notice at once or somewhat later, and
    splits into pieces of `chunk` beats from then on.
    """
    card = Synthetic(chunk=CHUNK)
    card.boot()
    for write in (False, True):
        for user in (0, 1):
            card.access("host", write, 0x1000, [1] * 6 if write else 6, user=user)
    card.grant(1, 0b001, 0b001)
    card.grant(2, 0b010, 0b010)
    card.rekey("bank", 0, 1, 1)
    card.rekey("bank", 2, 3, 2)
    card.map("host", 0, 0, "bank", 0, 4)
    card.map("core", 0, 0, "bank", 0, 4)
    card.assign("host", 0, 0)
    card.assign("core", 0, 1)
    card.access("host", True, 0x1000, WORDS, id=1)
    card.access("host", False, 0x1000, 10, id=1, mixed=True)
    card.access("host", False, 0x1000, 4)
    card.access("host", False, 0x1000, 8, lock=1)
    card.access("host", True, 0x1100, list(range(0x201, 0x209)))
    first = card.cycle
    card.access("host", False, 0x1008, 6, id=0, at=first)
    card.access("host", False, 0x1108, 5, id=1, at=first + 6, there=6)
    first = card.cycle
    card.access("host", False, 0x1004, 1, id=0, at=first, there=14)
    card.access("host", False, 0x1008, 1, id=0, at=first + 1, there=16)
    card.access("host", False, 0x1008, 1, id=1, at=first + 2)  # overtakes two of another ID, one of them its like
    card.access("core", False, 0x1010, 6)  # not its own: SLVERR
    card.access("core", True, 0x1020, [9] * 6)
    card.access("host", False, 0x5000, 6)  # nowhere: DECERR
    card.access("host", True, 0x1FF4, [9] * 6)  # crosses 4 KiB
    card.access("host", False, 0x1FF4, 6)
    card.access("host", False, 0x1000, 6, burst=3)  # no burst of AXI
    start = card.cycle
    card.access("host", True, 0x1200, WORDS, id=0, lost=(1, 2))
    card.access("host", False, 0x1000, 10, id=1, at=start, lost=(1, 2))
    card.cycle = start
    card.rekey("bank", 1, 1, 2)
    card.access("core", False, 0x1000, 6)  # zeros
    card.access("host", False, 0x1000, 6)  # lost
    card.put("slice", "QOS", 0, halvings=1)
    card.access("host", False, 0x0300, 6)
    card.access("host", False, 0x5000, 6)
    card.chunk = chunk
    card.access("host", False, 0x5000, 6)
    card.access("host", True, 0x0320, [5] * 6)
    card.cycle += 100
    card.access("host", False, 0x0320, 6)
    card.finish()
    return card


def judge(card: Synthetic, tmp_path: Path) -> Judgement:
    """Write the trace, read it, judge it."""
    for events in card.events.values():
        events.sort(key=lambda event: event[0])
    return judge_runs(card.manifest, [read_trace(card.save(tmp_path / "run"))], "pytest")


def test_right_run_is_green(tmp_path: Path) -> None:
    """Nothing to find, and every piece has its own end."""
    judgement = judge(story(), tmp_path)
    assert {verdict.check: verdict.detail for verdict in judgement.verdicts if not verdict.passed} == {}
    result = judgement.results["run"]
    assert len(result.wholes) == 29
    pieces = [(len(whole.pieces), sum(piece.denied for piece in whole.pieces)) for whole in result.wholes]
    assert pieces[:4] == [(2, 2)] * 4
    assert pieces[4:] == [
        (3, 0), (3, 0), (1, 0), (1, 0), (2, 0), (2, 0), (2, 0), *[(1, 0)] * 3,
        *[(2, 2)] * 5, (1, 1), *[(3, 2)] * 2, (2, 0), (2, 2),
        (2, 0), (3, 3), (3, 3), (3, 0), (3, 0),
    ]  # fmt: skip
    rights = [access.id & 3 for accesses in result.accesses for access in accesses]
    assert set(rights) == {HOST, CORE, SCRUBBER}


def _at(card: Synthetic, port: str, channel: str, address: int, nth: int = 0) -> tuple[int, int]:
    """Place and cycle of the nth request at an address."""
    events = card.events[port, channel]
    found = [(n, event[0]) for n, event in enumerate(events) if event[2] == address and event[1] & 3 != SCRUBBER]
    return found[nth]


def _after(card: Synthetic, port: str, channel: str, cycle: int, nth: int = 0) -> int:
    """Place of the nth event after a cycle."""
    found = sorted((event[0], n) for n, event in enumerate(card.events[port, channel]) if event[0] > cycle)
    return found[nth][1]


def _set(card: Synthetic, port: str, channel: str, number: int, **fields: int) -> None:
    event = list(card.events[port, channel][number])
    for name, value in fields.items():
        event[int(name.removeprefix("field")) + 1] = value
    card.events[port, channel][number] = tuple(event)


def _answer(card: Synthetic, address: int, code: int, port: str = "host") -> None:
    """Answer the first write that a port sent to an address once it owned it with another code."""
    cycle = max(event[0] for event in card.events[port, "AW"] if event[2] == address)
    _set(card, port, "B", _after(card, port, "B", cycle), field1=code)


def missing_piece_of_write(card: Synthetic) -> None:
    """The second piece of a write never reaches the memory."""
    place, cycle = _at(card, "bank", "AW", 0x1010)
    del card.events["bank", "AW"][place]
    card.events["bank", "W"] = [e for e in card.events["bank", "W"] if not cycle <= e[0] < cycle + 4]
    card.events["bank", "B"] = [e for e in card.events["bank", "B"] if e[0] != cycle + 5]


def missing_piece_of_read(card: Synthetic) -> None:
    """The last piece of a read never reaches the memory; the initiator gets data all the same."""
    place, _ = _at(card, "bank", "AR", 0x1020)
    identity = card.events["bank", "AR"].pop(place)[1]
    beats = [n for n, event in enumerate(card.events["bank", "R"]) if event[1] == identity and event[2] in WORDS[8:]]
    for n in reversed(beats[:2]):
        del card.events["bank", "R"][n]


def piece_at_wrong_address(card: Synthetic) -> None:
    """The second piece begins where the first did."""
    place, _ = _at(card, "bank", "AW", 0x1010)
    _set(card, "bank", "AW", place, field1=0x1000)


def piece_too_long(card: Synthetic) -> None:
    """The last piece asks for as many beats as the others."""
    place, _ = _at(card, "bank", "AW", 0x1020)
    _set(card, "bank", "AW", place, field2=CHUNK - 1)


def not_split(card: Synthetic) -> None:
    """A burst reaches the memory whole."""
    place, _ = _at(card, "bank", "AR", 0x1000)
    identity = card.events["bank", "AR"][place][1]
    _set(card, "bank", "AR", place, field2=9)
    for address in (0x1010, 0x1020):
        other, _ = _at(card, "bank", "AR", address)
        own = card.events["bank", "AR"].pop(other)[1]
        for n, event in enumerate(card.events["bank", "R"]):
            if event[1] == own and event[2] in WORDS:
                _set(card, "bank", "R", n, field0=identity)


def denied_piece_hidden(card: Synthetic) -> None:
    """Two pieces of a write are denied, and the whole is answered as if it had been written."""
    _answer(card, 0x1200, 0)


def denied_write_hidden(card: Synthetic) -> None:
    """All pieces of a write are denied, and the whole is answered as if it had been written."""
    _answer(card, 0x1020, 0, port="core")


def illegal_burst_too_good(card: Synthetic) -> None:
    """A write that is no burst of AXI is answered as if only a right were missing."""
    _answer(card, 0x1FF4, SLVERR)


def merged_too_bad(card: Synthetic) -> None:
    """All pieces were written, and the whole is answered with an error."""
    _answer(card, 0x1100, SLVERR)


def target_error_hidden(card: Synthetic) -> None:
    """The memory refuses the first piece of a write, and the whole is answered as if it had not."""
    _, cycle = _at(card, "bank", "AW", 0x1100)
    _set(card, "bank", "B", _after(card, "bank", "B", cycle), field1=SLVERR)


def answered_too_early(card: Synthetic) -> None:
    """A write is answered before its last piece."""
    cycle = max(event[0] for event in card.events["host", "AW"] if event[2] == 0x1100)
    place = _after(card, "host", "B", cycle)
    card.events["host", "B"][place] = (cycle + 11, *card.events["host", "B"][place][1:])


def last_in_the_middle(card: Synthetic) -> None:
    """A piece's last beat is marked as that of the whole read."""
    _, cycle = _at(card, "host", "AR", 0x1008)
    _set(card, "host", "R", _after(card, "host", "R", cycle, CHUNK - 1), field3=1)


def pieces_overtake(card: Synthetic) -> None:
    """The pieces of a read reach the memory in the wrong order."""
    (one, _), (other, _) = _at(card, "bank", "AR", 0x1008), _at(card, "bank", "AR", 0x1018)
    events = card.events["bank", "AR"]
    events[one], events[other] = (events[one][0], *events[other][1:]), (events[other][0], *events[one][1:])
    cycle = events[one][0]
    replies = [_after(card, "bank", "R", cycle, nth) for nth in range(6)]
    cycles = [card.events["bank", "R"][n][0] for n in replies]
    for n, moved in zip(replies, [*cycles[2:], *cycles[:2]], strict=True):
        card.events["bank", "R"][n] = (moved, *card.events["bank", "R"][n][1:])


def burst_overtakes_piece(card: Synthetic) -> None:
    """A later read with the ID of a split one reaches the memory before its last piece."""
    _, cycle = _at(card, "host", "AR", 0x1008)
    place, later = _at(card, "host", "AR", 0x1108)
    _set(card, "host", "AR", place, field0=0)
    for n, event in enumerate(card.events["host", "R"]):
        if event[0] > later and event[2] in range(0x203, 0x208):
            _set(card, "host", "R", n, field0=0)
            card.events["host", "R"][n] = (event[0] + 6, *card.events["host", "R"][n][1:])
    piece, sent = _at(card, "bank", "AR", 0x1018)
    first = _at(card, "bank", "AR", 0x1108)[0]
    card.events["bank", "AR"][piece] = (sent + 6, *card.events["bank", "AR"][piece][1:])
    card.events["bank", "AR"][first] = (cycle + 7, *card.events["bank", "AR"][first][1:])
    for channel, delay in (("bank", 6), ("host", 6)):
        for n, event in enumerate(card.events[channel, "R"]):
            if cycle + 7 < event[0] and event[2] in WORDS[6:8]:
                card.events[channel, "R"][n] = (event[0] + delay, *event[1:])


def wrong_source(card: Synthetic) -> None:
    """A piece bears another port's number."""
    place, _ = _at(card, "bank", "AR", 0x1018)
    identity = card.events["bank", "AR"][place][1]
    _rename(card, identity, identity ^ HOST ^ CORE, place)


def slot_used_twice(card: Synthetic) -> None:
    """Two pieces of a write are under way with one ID, and are answered in order all the same."""
    (one, _), (other, cycle) = _at(card, "bank", "AW", 0x1000), _at(card, "bank", "AW", 0x1010)
    identity = card.events["bank", "AW"][one][1]
    _set(card, "bank", "AW", other, field0=identity)
    _set(card, "bank", "B", _after(card, "bank", "B", cycle + 4), field0=identity)


def scrubber_with_slot(card: Synthetic) -> None:
    """A scrub has a slot, as if somebody waited for its answer in one."""
    place = next(n for n, event in enumerate(card.events["bank", "AW"]) if event[1] == SCRUBBER)
    begin = card.events["bank", "AW"][place][0]
    _set(card, "bank", "AW", place, field0=SCRUBBER | 4)
    _set(card, "bank", "B", _after(card, "bank", "B", begin), field0=SCRUBBER | 4)


def _rename(card: Synthetic, before: int, after: int, place: int) -> None:
    """Change the ID of a read at the memory, and of its data."""
    cycle = card.events["bank", "AR"][place][0]
    _set(card, "bank", "AR", place, field0=after)
    for n, event in enumerate(card.events["bank", "R"]):
        if event[1] == before and cycle < event[0] < cycle + 40:
            _set(card, "bank", "R", n, field0=after)


def illegal_burst_at_target(card: Synthetic) -> None:
    """The piece of a write across 4 KiB that would lie in its first page reaches the memory."""
    _, start = _at(card, "host", "AW", 0x1FF4)
    card.event(start + 4, "bank", "AW", HOST, 0x1FF4, CHUNK - 1, 2, INCR, 0, 3, 2, 0)
    for beat in range(CHUNK):
        card.event(start + 4 + beat, "bank", "W", 9, 15, int(beat == CHUNK - 1))
    card.event(start + 9, "bank", "B", HOST, 0)


def foreign_data_in_denied_piece(card: Synthetic) -> None:
    """A denied piece of a read has data."""
    _, cycle = _at(card, "core", "AR", 0x1010)
    _set(card, "core", "R", _after(card, "core", "R", cycle, CHUNK), field1=0x109)


def foreign_data_in_revoked_piece(card: Synthetic) -> None:
    """The piece of a read under which a rekey took the granule has data."""
    cycle = max(event[0] for event in card.events["host", "AR"] if event[3] == 9)
    _set(card, "host", "R", _after(card, "host", "R", cycle, CHUNK), field1=0x105)


def wrong_data_of_piece(card: Synthetic) -> None:
    """A piece of a write has its neighbour's first word."""
    place = next(n for n, event in enumerate(card.events["bank", "W"]) if event[1] == WORDS[CHUNK])
    _set(card, "bank", "W", place, field0=WORDS[0])


def pieces_given_in_wrong_order(card: Synthetic) -> None:
    """An initiator gets the second piece of a read first."""
    _, cycle = _at(card, "host", "AR", 0x1000, nth=2)
    places = [_after(card, "host", "R", cycle, nth) for nth in range(2 * CHUNK)]
    words = [card.events["host", "R"][n][2] for n in places]
    assert words == WORDS[: 2 * CHUNK]
    for n, word in zip(places, [*words[CHUNK:], *words[:CHUNK]], strict=True):
        _set(card, "host", "R", n, field1=word)


def log_knows_the_burst_only(card: Synthetic) -> None:
    """The log has the second piece of an illegal burst with the burst's address."""
    entries = next(mark for mark in card.marks if mark["kind"] == "faults")["entries"]
    place = next(n for n, entry in enumerate(entries) if entry["kind"] == "burst" and entry["address"] != 0x1FF4)
    entries[place] = entries[place] | {"address": 0x1FF4}


def one_entry_for_all_pieces(card: Synthetic) -> None:
    """The log has an illegal burst once, not each of its pieces."""
    entries = next(mark for mark in card.marks if mark["kind"] == "faults")["entries"]
    entries.remove(next(entry for entry in entries if entry["kind"] == "burst" and entry["address"] != 0x1FF4))


def one_count_for_all_pieces(card: Synthetic) -> None:
    """A counter counts bursts, not pieces."""
    next(mark for mark in card.marks if mark["kind"] == "counters")["slices"]["0"]["WRITE_REQUESTS"] -= 2


PLANTED: list[tuple[Callable[[Synthetic], None], set[str]]] = [
    (missing_piece_of_write, {"delivery"}),
    (missing_piece_of_read, {"delivery"}),
    (piece_at_wrong_address, {"delivery", "isolation"}),
    (piece_too_long, {"delivery", "isolation"}),
    (not_split, {"delivery", "isolation"}),
    (denied_piece_hidden, {"denials"}),
    (denied_write_hidden, {"denials"}),
    (illegal_burst_too_good, {"denials"}),
    (merged_too_bad, {"responses"}),
    (target_error_hidden, {"responses"}),
    (answered_too_early, {"responses"}),
    (last_in_the_middle, {"responses"}),
    (pieces_overtake, {"delivery"}),
    (burst_overtakes_piece, {"delivery"}),
    (wrong_source, {"delivery", "isolation"}),
    (slot_used_twice, {"delivery"}),
    (scrubber_with_slot, {"isolation"}),
    (illegal_burst_at_target, {"isolation"}),
    (foreign_data_in_denied_piece, {"denials"}),
    (foreign_data_in_revoked_piece, {"delivery"}),
    (wrong_data_of_piece, {"delivery"}),
    (pieces_given_in_wrong_order, {"responses"}),
    (log_knows_the_burst_only, {"faults"}),
    (one_entry_for_all_pieces, {"faults"}),
    (one_count_for_all_pieces, {"counters"}),
]


def test_pieces_as_before_are_found(tmp_path: Path) -> None:
    """A slice has another chunk, and its bursts go on in pieces of the old one."""
    judgement = judge(story(chunk=CHUNK), tmp_path)
    red = {verdict.check: verdict.detail for verdict in judgement.verdicts if not verdict.passed}
    assert {"delivery", "isolation"} <= red.keys(), red
    assert all(re.search("0x3[23]", text) for text in (*red["delivery"], *red["isolation"]))


@pytest.mark.parametrize(("plant", "checks"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_planted_fault_is_found(plant: Callable[[Synthetic], None], checks: set[str], tmp_path: Path) -> None:
    """A run that is right but for one fault in a split burst is red in the check that is about it."""
    card = story()
    plant(card)
    judgement = judge(card, tmp_path)
    red = {verdict.check: verdict.detail for verdict in judgement.verdicts if not verdict.passed}
    assert checks <= red.keys(), red


FABRIC = {"isolation": "strict"}


def burst(address: int, beats: int, kind: int = INCR, lock: int = 0, *, write: bool = False) -> Request:
    """A complete burst of words."""
    cycles = list(range(100, 100 + beats))
    request = Request("host", write, 0, 90, 1, address, beats - 1, 2, kind, lock, 3, 2, 0, end=200)
    if write:
        request.beats, request.beat_cycles = [(word, 15) for word in range(beats)], cycles
        request.responses, request.response_cycles = [0], [200]
    else:
        request.data, request.responses, request.response_cycles = list(range(beats)), [0] * beats, cycles
    return request


def test_pieces_of_an_unaligned_burst() -> None:
    """The first piece begins where the burst does, each other where a beat begins; each has its own beats."""
    pieces = split(burst(0x1003, 10, write=True), FABRIC, CHUNK)
    assert [(piece.address, piece.length + 1) for piece in pieces] == [(0x1003, 4), (0x1010, 4), (0x1020, 2)]
    assert [[word for word, _ in piece.beats] for piece in pieces] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [piece.end for piece in pieces] == [200] * 3
    pieces = split(burst(0xFFF0, 6), FABRIC, CHUNK)
    assert [piece.address for piece in pieces] == [0xFFF0, 0xF000], "an illegal burst wraps inside its 4 KiB"
    assert [piece.end for piece in pieces] == [103, 105]


def test_a_cut_read_has_complete_pieces() -> None:
    """A reset cuts off only the pieces that were not complete."""
    whole = burst(0x1000, 10)
    whole.data, whole.responses, whole.response_cycles = whole.data[:5], [0] * 5, whole.response_cycles[:5]
    whole.end, whole.cut = FOREVER, 110
    assert [(piece.end, piece.cut) for piece in split(whole, FABRIC, CHUNK)] == [(103, FOREVER), *[(FOREVER, 110)] * 2]


@pytest.mark.parametrize(
    ("whole", "fabric"),
    [
        (burst(0x1000, 4), FABRIC),
        (burst(0x1000, 8, FIXED), FABRIC),
        (burst(0x1000, 8, WRAP), FABRIC),
        (burst(0x1000, 8, 3), FABRIC),
        (burst(0x1000, 8, lock=1), FABRIC),
        (burst(0x1000, 8), FABRIC | {"isolation": "basic"}),
    ],
    ids=["chunk", "FIXED", "WRAP", "reserved", "exclusive", "basic"],
)
def test_what_is_not_split(whole: Request, fabric: dict[str, object]) -> None:
    """It is its own only piece."""
    assert split(whole, fabric, CHUNK)[0] is whole
