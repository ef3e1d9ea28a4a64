"""The judge is silent about a right run, and names each planted fault by the right check."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.judge import Judgement, judge_runs
from sim.judge import judge as judge_folder
from sim.judge.events import TraceError, read_trace
from tests.sim.synthetic import SLVERR, Synthetic


def story() -> Synthetic:
    """Two slices come up, work, are refused what is not theirs, and a granule moves from one to the other."""
    card = Synthetic()
    card.boot()
    for write in (False, True):
        for user in (0, 1):
            card.access("host", write, 0x1000, [1, 2] if write else 2, user=user)
    card.grant(1, 0b001, 0b001)
    card.grant(2, 0b010, 0b010)
    card.rekey("bank", 0, 1, 1)
    card.rekey("bank", 2, 3, 2)
    card.map("host", 0, 0, "bank", 0, 4)
    card.map("core", 0, 0, "bank", 0, 4)
    card.assign("host", 0, 0)
    card.assign("core", 0, 1)
    card.access("host", True, 0x1000, [0x11, 0x22, 0x33, 0x44], id=1)
    card.access("host", False, 0x1000, 4, id=1)
    first = card.cycle
    card.access("host", False, 0x1000, 1, id=0, at=first)
    card.access("host", False, 0x1004, 1, id=1, at=first + 1)
    card.access("host", False, 0x1008, 1, id=1, at=first + 2)
    card.access("core", True, 0x2000, [0x77])
    card.access("core", False, 0x2000, 1)
    card.access("core", False, 0x1000, 2)  # not its own: SLVERR
    card.access("core", True, 0x1000, [9, 9])
    card.access("host", False, 0x5000, 1)  # nowhere: DECERR
    card.access("host", False, 0x1000, 2, burst=3)  # no burst of AXI
    card.access("host", False, 0x1000, 2, user=1)  # nobody's context
    card.rekey("bank", 1, 1, 2)
    card.access("core", False, 0x1000, 4)  # zeros
    card.access("host", False, 0x1000, 1)  # lost
    card.access("core", True, 0x1010, [5])
    card.access("core", False, 0x1010, 1)
    card.finish()
    return card


def judge(card: Synthetic, tmp_path: Path) -> Judgement:
    """Write the trace, read it, judge it."""
    return judge_runs(card.manifest, [read_trace(card.save(tmp_path / "run"))], "pytest")


def red(judgement: Judgement) -> set[str]:
    """Checks that failed."""
    return {verdict.check for verdict in judgement.verdicts if not verdict.passed}


def test_right_run_is_green(tmp_path: Path) -> None:
    """Nothing to find, and everything was looked at."""
    judgement = judge(story(), tmp_path)
    assert {verdict.check: verdict.detail for verdict in judgement.verdicts if not verdict.passed} == {}
    result = judgement.results["run"]
    assert sum(one.denied for one in result.asked) == 10
    assert sum(one.access is not None for one in result.asked) == 10
    assert len(result.reference.rekeys) == 3


def _at(card: Synthetic, port: str, channel: str, **where: int) -> int:
    """Place of the first event with these values; `field0` is the first after the cycle."""
    wanted = {int(name.removeprefix("field")) + 1: value for name, value in where.items()}
    events = card.events[port, channel]
    return next(n for n, event in enumerate(events) if all(event[place] == value for place, value in wanted.items()))


def _set(card: Synthetic, port: str, channel: str, number: int, **fields: int) -> None:
    event = list(card.events[port, channel][number])
    for name, value in fields.items():
        event[int(name.removeprefix("field")) + 1] = value
    card.events[port, channel][number] = tuple(event)


def swapped_responses(card: Synthetic) -> None:
    """Two reads of different IDs get each other's data."""
    events = card.events["host", "R"]
    last = [n for n, event in enumerate(events) if event[2] in (0x11, 0x22) and event[4]]
    one, other = events[last[-2]][2], events[last[-1]][2]
    _set(card, "host", "R", last[-2], field1=other)
    _set(card, "host", "R", last[-1], field1=one)


def lost_beat(card: Synthetic) -> None:
    """A beat of read data disappears on the way."""
    del card.events["host", "R"][_at(card, "host", "R", field1=0x22)]


def lost_response(card: Synthetic) -> None:
    """A write is never answered."""
    card.events["core", "B"].pop(0)


def response_of_nobody(card: Synthetic) -> None:
    """A response comes twice."""
    card.events["core", "B"].append((card.events["core", "B"][-1][0] + 1, 0, 0))


def wrong_code(card: Synthetic) -> None:
    """A missing right is reported as if the address led nowhere."""
    _set(card, "core", "B", -1 if card.events["core", "B"][-1][2] else -2, field1=3)


def denied_with_data(card: Synthetic) -> None:
    """A refused read carries somebody's data."""
    _set(card, "core", "R", _at(card, "core", "R", field2=SLVERR), field1=0x11)


def denied_is_let_through(card: Synthetic) -> None:
    """A read without a right reaches the memory, and its data the initiator."""
    events = card.events["core", "R"]
    first = _at(card, "core", "R", field2=SLVERR)
    start = events[first][0]
    card.event(start - 5, "bank", "AR", 1, 0x1000, 1, 2, 1, 0, 3, 2, 1)
    for beat, word in enumerate((0x11, 0x22)):
        card.event(start - 2 + beat, "bank", "R", 1, word, 0, beat)
        _set(card, "core", "R", first + beat, field1=word, field2=0)


def denied_at_target(card: Synthetic) -> None:
    """A refused write is answered with an error, but reaches the memory all the same."""
    start = next(event[0] for event in card.events["core", "AW"] if event[2] == 0x1000)
    card.event(start + 1, "bank", "AW", 1, 0x1000, 1, 2, 1, 0, 3, 2, 1)
    for beat in range(2):
        card.event(start + 1 + beat, "bank", "W", 9, 15, beat)
    card.event(start + 4, "bank", "B", 1, 0)
    for events in card.events.values():
        events.sort(key=lambda event: event[0])


def twice_at_target(card: Synthetic) -> None:
    """A request reaches its target twice."""
    request = card.events["bank", "AR"][0]
    replies = [event for event in card.events["bank", "R"] if event[0] < request[0] + 10]
    card.event(request[0] + 20, *("bank", "AR"), *request[1:])
    for event in replies:
        card.event(event[0] + 20, "bank", "R", *event[1:])
    for events in card.events.values():
        events.sort(key=lambda event: event[0])


def wrong_address(card: Synthetic) -> None:
    """A read goes to the next word."""
    _set(card, "bank", "AR", 0, field1=card.events["bank", "AR"][0][2] + 4)


def wrong_slice(card: Synthetic) -> None:
    """A read bears another slice's number."""
    _set(card, "bank", "AR", 0, field8=3)


def wrong_strobes(card: Synthetic) -> None:
    """A byte of a write is lost."""
    _set(card, "bank", "W", _at(card, "bank", "W", field0=0x22), field1=7)


def wrong_data(card: Synthetic) -> None:
    """A word of a write changes on the way."""
    _set(card, "bank", "W", _at(card, "bank", "W", field0=0x33), field0=0x34)


def reordered_id(card: Synthetic) -> None:
    """Two reads of one ID overtake each other."""
    order = [n for n, event in enumerate(card.events["bank", "AR"]) if event[2] in (0x1004, 0x1008) and event[3] == 0]
    one, other = (card.events["bank", "AR"][n][2] for n in order)
    _set(card, "bank", "AR", order[0], field1=other)
    _set(card, "bank", "AR", order[1], field1=one)
    replies = [n for n, event in enumerate(card.events["bank", "R"]) if event[2] in (0x22, 0x33) and event[4]]
    for n, word in zip(replies[-2:], (0x33, 0x22), strict=True):
        _set(card, "bank", "R", n, field1=word)


def memory_forgets(card: Synthetic) -> None:
    """A word comes back changed, at the target already."""
    for port in ("bank", "core"):
        _set(card, port, "R", _at(card, port, "R", field1=0x77), field1=0x78)


def _without_scrub(card: Synthetic) -> None:
    begin = [event[0] for event in card.events["bank", "AW"] if event[2] == 0x1000 and event[1] == 2][-1]
    for channel, position in (("AW", 0), ("W", 0), ("B", 0)):
        events = card.events["bank", channel]
        own = [event for event in events if event[position] < begin or event[0] > begin + 1100]
        card.events["bank", channel] = own


def no_scrub(card: Synthetic) -> None:
    """A granule changes hands as it is, and the new owner reads the old one's data."""
    _without_scrub(card)
    for port in ("bank", "core"):
        zeros = [n for n, event in enumerate(card.events[port, "R"]) if event[3] == 0 and event[2] == 0][-4:]
        for n, word in zip(zeros, (0x11, 0x22, 0x33, 0x44), strict=True):
            _set(card, port, "R", n, field1=word)


def unseen_missing_scrub(card: Synthetic) -> None:
    """One burst of a scrub is left out where nobody looks."""
    place = next(n for n, event in enumerate(card.events["bank", "AW"]) if event[1] == 2 and event[2] == 0x1F00)
    begin = card.events["bank", "AW"].pop(place)[0]
    card.events["bank", "W"] = [event for event in card.events["bank", "W"] if not begin <= event[0] < begin + 16]
    card.events["bank", "B"] = [event for event in card.events["bank", "B"] if event[0] != begin + 16]


def scrub_elsewhere(card: Synthetic) -> None:
    """The scrubber zeroes a granule that nobody told it to."""
    last = max(event[0] for event in card.events["bank", "AW"]) + 30
    card.event(last, "bank", "AW", 2, 0x3000, 0, 2, 1, 0, 0, 0, 0)
    card.event(last, "bank", "W", 0, 15, 1)
    card.event(last + 2, "bank", "B", 2, 0)


def foreign_after_scrub(card: Synthetic) -> None:
    """An old owner's read comes out of the fabric when the scrub has begun."""
    command = card.address("target", "REKEY", 0)
    told = [event[0] for event in card.events["control", "AW"] if event[1] == command][-1]
    scrub = next(event[0] for event in card.events["bank", "AW"] if event[0] > told)
    card.event(told - 2, "host", "AR", 0, 0x1008, 0, 2, 1, 0, 3, 2, 0)
    card.event(scrub + 8, "bank", "AR", 0, 0x1008, 0, 2, 1, 0, 3, 2, 0)
    card.event(scrub + 9, "bank", "R", 0, 0, 0, 1)
    card.event(scrub + 12, "host", "R", 0, 0, 0, 1)
    for events in card.events.values():
        events.sort(key=lambda event: event[0])
    _count_read(card)


def still_permitted(card: Synthetic) -> None:
    """After the rekey the old owner still gets through."""
    start = [event[0] for event in card.events["host", "AR"] if event[2] == 0x1000][-1]
    card.event(start + 4, "bank", "AR", 0, 0x1000, 0, 2, 1, 0, 3, 2, 0)
    card.event(start + 5, "bank", "R", 0, 0, 0, 1)
    for events in card.events.values():
        events.sort(key=lambda event: event[0])
    place = next(n for n, event in enumerate(card.events["host", "R"]) if event[0] > start)
    _set(card, "host", "R", place, field2=0)


def _count_read(card: Synthetic) -> None:
    for mark in card.marks:
        if mark["kind"] == "counters":
            mark["slices"]["0"]["READ_REQUESTS"] += 1
            mark["slices"]["0"]["READ_BEATS"] += 1
            mark["slices"]["0"]["LONGEST_LATENCY"] = 40


def log_entry_missing(card: Synthetic) -> None:
    """A denial is neither logged nor counted as lost."""
    next(mark for mark in card.marks if mark["kind"] == "faults")["entries"].pop()


def log_entry_wrong(card: Synthetic) -> None:
    """The log names the wrong port."""
    entries = next(mark for mark in card.marks if mark["kind"] == "faults")["entries"]
    entries[3] = entries[3] | {"initiator": 1}


def counter_wrong(card: Synthetic) -> None:
    """A counter missed a request."""
    next(mark for mark in card.marks if mark["kind"] == "counters")["slices"]["1"]["WRITE_BEATS"] -= 1


def command_taken(card: Synthetic) -> None:
    """A rekey is refused though nothing is wrong with it."""
    address = card.address("target", "STATUS", 0)
    reads = [n for n, event in enumerate(card.events["control", "AR"]) if event[1] == address]
    _set(card, "control", "R", reads[-1], field0=1 << 4)


def open_at_reset(card: Synthetic) -> None:
    """The card lets a read through before anything belongs to anybody."""
    start = card.events["host", "AR"][0][0]
    card.event(start + 1, "bank", "AR", 0, 0x1000, 1, 2, 1, 0, 3, 2, 0)
    for beat in range(2):
        card.event(start + 2 + beat, "bank", "R", 0, 0xAA, 0, beat)
        _set(card, "host", "R", beat, field1=0xAA, field2=0)
    for events in card.events.values():
        events.sort(key=lambda event: event[0])


def offer_withdrawn(card: Synthetic) -> None:
    """The card takes an offer back."""
    card.events["host", "unstable"] = [(card.events["host", "R"][0][0], 4)]


def run_died(card: Synthetic) -> None:
    """The simulation stopped half-way."""
    card.marks.pop()


PLANTED: list[tuple[Callable[[Synthetic], None], set[str]]] = [
    (swapped_responses, {"responses"}),
    (lost_beat, {"responses"}),
    (lost_response, {"responses"}),
    (response_of_nobody, {"responses"}),
    (wrong_code, {"denials"}),
    (denied_with_data, {"denials"}),
    (denied_is_let_through, {"denials", "isolation"}),
    (denied_at_target, {"isolation"}),
    (twice_at_target, {"isolation"}),
    (wrong_address, {"isolation", "delivery"}),
    (wrong_slice, {"isolation", "delivery"}),
    (wrong_strobes, {"delivery"}),
    (wrong_data, {"delivery"}),
    (reordered_id, {"delivery"}),
    (memory_forgets, {"memory"}),
    (no_scrub, {"residue"}),
    (unseen_missing_scrub, {"residue"}),
    (scrub_elsewhere, {"isolation"}),
    (foreign_after_scrub, {"revocation"}),
    (still_permitted, {"denials", "isolation"}),
    (log_entry_missing, {"faults"}),
    (log_entry_wrong, {"faults"}),
    (counter_wrong, {"counters"}),
    (command_taken, {"commands"}),
    (open_at_reset, {"closed", "denials", "isolation"}),
    (offer_withdrawn, {"protocol"}),
    (run_died, {"completed"}),
]


@pytest.mark.parametrize(("plant", "checks"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_planted_fault_is_found(plant: Callable[[Synthetic], None], checks: set[str], tmp_path: Path) -> None:
    """A run that is right but for one fault is red in the check that is about it."""
    card = story()
    plant(card)
    judgement = judge(card, tmp_path)
    assert checks <= red(judgement), {v.check: v.detail for v in judgement.verdicts if not v.passed}


def test_cut_off_trace(tmp_path: Path) -> None:
    """A trace that ends in the middle of a line is no trace."""
    folder = story().save(tmp_path / "run")
    with (folder / "events.txt").open("a") as file:
        file.write("99 host AR zz")
    with pytest.raises(TraceError, match=r"events\.txt:\d+: not an event"):
        read_trace(folder)


def test_other_card(tmp_path: Path) -> None:
    """A trace of another card is not judged."""
    card = story()
    card.marks[0]["hash"] = "0" * 64
    with pytest.raises(TraceError, match="recorded on another card"):
        judge(card, tmp_path)


def test_one_broken_trace_among_others(tmp_path: Path) -> None:
    """A run that cannot be read is red; the others are judged all the same, and the verdicts are written."""
    card = story()
    card.save(tmp_path / "traces" / "good")
    (tmp_path / "traces" / "dead").mkdir()
    judgement = judge_folder(card.manifest, tmp_path / "traces", tmp_path, "pytest")
    assert red(judgement) == {"completed"}
    written = json.loads((tmp_path / "sim.json").read_text())
    assert {entry["check"]: entry["verdict"] for entry in written}["completed"] == "fail"
    assert set(written[0]) == {"check", "guarantee", "verdict", "figures", "command", "detail"}


def test_no_trace_at_all(tmp_path: Path) -> None:
    """Without a trace there is no verdict, and no file."""
    with pytest.raises(TraceError, match="there is no trace; run the simulation first"):
        judge_folder(story().manifest, tmp_path / "traces", tmp_path, "pytest")
    assert not (tmp_path / "sim.json").exists()
