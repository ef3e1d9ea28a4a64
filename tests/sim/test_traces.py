"""Traces: the caches that filter them, their format, how they are folded, and those that ship."""

import gzip
import random
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdl.errors import Refusal
from hdl.traffic.replay import ENTRIES, THINK_BITS
from sim.traffic import record, trace
from sim.traffic.cache import LINE_BYTES, Hierarchy, Level
from sim.traffic.programs import PROGRAMS, Program
from sim.traffic.trace import NAMES, SUFFIX, TRACES, Request, Trace, read_trace, stored, write_trace

LARGEST = 40 << 10
"""Bytes of a stored trace."""
HEADER = dict.fromkeys(trace.FIELDS, "as stated")


class Naive:
    """A cache by the book: a list of (line, dirty, time of last use), searched from end to end."""

    def __init__(self, sets, ways):
        self.sets, self.ways, self.now, self.held = sets, ways, 0, []

    def access(self, line, write):
        self.now += 1
        for entry in self.held:
            if entry[0] == line:
                entry[1], entry[2] = entry[1] or write, self.now
                return True, None
        same = [entry for entry in self.held if entry[0] % self.sets == line % self.sets]
        victim = min(same, key=lambda entry: entry[2]) if len(same) == self.ways else None
        if victim:
            self.held.remove(victim)
        self.held.append([line, write, self.now])
        return False, victim and (victim[0], victim[1])


class NaiveHierarchy:
    """Two first levels and a second one, as sizes in lines."""

    def __init__(self, first, second, ways):
        self.levels = [Naive(first // ways, ways), Naive(first // ways, ways)]
        self.second = Naive(second // ways, ways)

    def access(self, line, write, fetch):
        seen = []
        hit, victim = self.levels[fetch].access(line, write)
        if hit:
            return seen
        hit, pushed = self.second.access(line, False)
        seen += [] if hit else [(line, False)]
        seen += [(pushed[0], True)] if pushed and pushed[1] else []
        if victim and victim[1]:
            _, pushed = self.second.access(victim[0], True)
            seen += [(pushed[0], True)] if pushed and pushed[1] else []
        return seen


@given(st.sampled_from([1, 2, 4]), st.integers(17, 60), st.integers(0))
def test_what_reaches_the_memory_is_what_a_model_by_the_book_says(ways, lines, seed):
    """Long enough that every line comes, is written, is pushed out of both levels and comes again."""
    generator = random.Random(seed)
    caches = Hierarchy(8 * LINE_BYTES, 16 * LINE_BYTES, ways)
    naive = NaiveHierarchy(8, 16, ways)
    for _ in range(400):
        line, kind = generator.randrange(lines), generator.choice(("load", "store", "fetch"))
        write, fetch = kind == "store", kind == "fetch"
        seen = list(caches.access(line * LINE_BYTES + 7, 4, write=write, fetch=fetch))
        assert seen == naive.access(line, write, fetch)


@given(st.integers(0, 1 << 40), st.integers(1, 256))
def test_an_access_touches_every_line_that_it_overlaps(address, size):
    lines = {byte // LINE_BYTES for byte in range(address, address + size)}
    seen = list(Hierarchy().access(address, size, write=True))
    assert {line for line, _ in seen} == lines and not any(write for _, write in seen)


def test_every_line_that_was_written_comes_back_out_once():
    """A sweep over twice the caches, written, then one that is read: as many write-backs as lines that had to go."""
    caches, lines = Hierarchy(1024, 4096, 4), 2 * (1024 + 4096) // LINE_BYTES
    seen = [one for line in range(lines) for one in caches.access(line * LINE_BYTES, 8, write=True)]
    seen += [one for line in range(lines, 2 * lines) for one in caches.access(line * LINE_BYTES, 8, write=False)]
    assert sorted(line for line, write in seen if write) == list(range(lines))


def test_a_level_is_a_whole_number_of_sets():
    with pytest.raises(ValueError, match="1000 bytes are no whole number of sets of 4 lines of 64 bytes"):
        Level(1000, 4)


requests = st.builds(Request, st.integers(0, 1 << 20), st.booleans(), st.integers(0, 1 << 30))


@given(st.lists(requests, min_size=1, max_size=50))
def test_a_trace_is_read_as_it_was_written_and_gives_the_same_bytes(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("trace") / f"one{SUFFIX}"
    one = Trace(HEADER, tuple(made))
    write_trace(one, path)
    first = path.read_bytes()
    assert read_trace(path) == one
    write_trace(read_trace(path), path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x 1 2", r"one.trace.gz:1: 'x 1 2' is neither '# name: value' nor a request"),
        ("r 1 2\nr 1", r"one.trace.gz:2: 'r 1' is neither"),
        ("r 1 -2", r"'r 1 -2' is neither"),
        ("r 1 2", r"the header does not say program, version, input"),
        ("".join(f"# {name}: x\n" for name in trace.FIELDS), r"there is no request in it"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path, text, says):
    path = tmp_path / f"one{SUFFIX}"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(Refusal, match=says):
        read_trace(path)


def test_a_file_that_is_missing_or_not_compressed_is_refused(tmp_path):
    path = tmp_path / f"one{SUFFIX}"
    with pytest.raises(Refusal, match=r"cannot be read as a trace .*'make traces' records one"):
        read_trace(path)
    path.write_text("r 1 2\n")
    with pytest.raises(Refusal, match="cannot be read as a trace"):
        read_trace(path)


def test_folding_keeps_the_place_in_the_page_and_the_rest_of_a_request():
    made = Trace(HEADER, tuple(Request(64 * page + 5, page % 2 == 1, page) for page in range(11)))
    folded = made.folded(4)
    assert [divmod(one.line, 64) for one in folded.requests] == [(page % 4, 5) for page in range(11)]
    assert [(one.write, one.think) for one in folded.requests] == [(one.write, one.think) for one in made.requests]
    assert (made.pages, folded.pages) == (11, 4)


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 16))
def test_no_instruction_is_lost_between_pauses(thinks, pace):
    made = Trace(HEADER, tuple(Request(0, False, think) for think in thinks))
    total = 0
    for pause, executed in zip(made.pauses(pace), [sum(thinks[: n + 1]) for n in range(len(thinks))], strict=True):
        total += pause
        assert total == executed // pace


def test_lackey_is_understood():
    """Instructions are counted, a load fills, a store and a modify make a line dirty, remarks are left out."""
    text = b"""==1== Lackey, an example Valgrind tool
I  04001000,3
 L 1ffe000040,8
I  04001003,5
 S 1ffe000040,8
I  0400103e,4
 M 1ffe100000,4
""".splitlines(keepends=True)
    count = record.Count()
    caches = Hierarchy(2 * LINE_BYTES, 4 * LINE_BYTES, 1)
    seen = list(record.filtered(text, caches, count))
    lines = [0x4001000, 0x1FFE000040, 0x4001040, 0x1FFE100000]
    assert [(line, at) for line, write, at in seen if not write] == [
        (line // LINE_BYTES, at) for line, at in zip(lines, (1, 1, 3, 3), strict=True)
    ]
    assert count.instructions == 3
    # The next line of the same sets drives out what was written.
    pushed = list(caches.access(0x2FFE000040, 8, write=False)) + list(caches.access(0x3FFE000040, 8, write=False))
    assert (0x1FFE000040 // LINE_BYTES, True) in pushed


def test_only_what_comes_after_the_start_is_kept_and_pages_are_numbered_from_there():
    found = [(64 * 9, False, 5), (64 * 7 + 1, False, 11), (64 * 3 + 2, True, 11), (64 * 7 + 3, False, 30)]
    assert record.window(found, 10, 3) == (Request(1, False, 0), Request(66, True, 0), Request(3, False, 19))
    assert record.window(found, 10, 1) == (Request(1, False, 0),)


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_that_ships_fits_and_says_where_it_comes_from(name):
    """It is small, as long as all of them, and its pauses fit into the generator's entries at any pace."""
    path = TRACES / f"{name}{SUFFIX}"
    shipped = stored(name)
    assert path.stat().st_size < LARGEST
    assert len(shipped.requests) == record.REQUESTS <= ENTRIES
    assert shipped.header["program"] == name
    assert shipped.header["filter"] == Hierarchy().describe(), "recorded with other caches: run 'make traces'"
    program = next(program for program in PROGRAMS if program.name == name)
    assert shipped.header["input"] == program.input and int(shipped.header["skipped instructions"]) == program.skip
    assert max(request.think for request in shipped.requests) < 1 << THINK_BITS
    assert 0.05 < sum(request.write for request in shipped.requests) / len(shipped.requests) < 0.6
    assert int(shipped.header["instructions"]) == sum(request.think for request in shipped.requests)


def test_inputs_are_the_same_each_time(tmp_path):
    for program in PROGRAMS:
        first = program.write_input(tmp_path).read_bytes()
        assert first and program.write_input(tmp_path).read_bytes() == first


def test_a_program_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Refusal, match="valgrind is missing, which records traces: apt-get install valgrind"):
        record.record(PROGRAMS[0])
    with pytest.raises(Refusal, match="there is no program 'emacs'; there are sort, sqlite3, gzip, cc1"):
        record.main(["emacs"])


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed; CI only replays")
def test_a_small_program_is_recorded():
    """The recorder itself, on a program that ends soon."""
    echo = Program("echo", (), ("echo", "--version"), ("a",), "nothing.txt", lambda random: "-", "none", 1000)
    recorded = record.record(echo, 50)
    assert len(recorded.requests) == 50 and set(trace.FIELDS) <= recorded.header.keys()
    assert recorded == record.record(echo, 50), "two recordings differ"
    with pytest.raises(Refusal, match=r"fewer than 1000000"):
        record.record(echo, 1_000_000)
