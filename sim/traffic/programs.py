"""What is recorded: programs, and inputs that are the same wherever they are made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

WORDS = (
    *("slice", "granule", "window", "key", "rekey", "scrub", "drain", "grant"),
    *("epoch", "ingress", "egress", "arbiter", "budget", "class", "burst", "port"),
)


@dataclass(frozen=True)
class Program:
    """A program to record.

    Members
    -------
    name : str
    find : tuple of str
        Command that says where the program is; empty if the shell finds it by its name.
    version : tuple of str
        Command whose first line names the version.
    arguments : tuple of str
        Words after the program; ``{input}`` is its input file.
    file, content : str, function
        Name of the input file, and what makes its text.
    input : str
        The input in words.
    skip : int
        Instructions before the first request that is kept; the caches see them.
    """

    name: str
    find: tuple[str, ...]
    version: tuple[str, ...]
    arguments: tuple[str, ...]
    file: str
    content: Callable[[Random], str]
    input: str
    skip: int

    def write_input(self, folder: Path) -> Path:
        """Write the input file."""
        path = folder / self.file
        path.write_text(self.content(Random(self.name)), encoding="ascii")
        return path


def _lines(random: Random) -> str:
    return "".join(f"{random.getrandbits(64):016x} {random.choice(WORDS)}\n" for _ in range(20_000))


def _text(random: Random) -> str:
    return "".join(f"{random.getrandbits(24):06x} {' '.join(random.choices(WORDS, k=5))}.\n" for _ in range(20_000))


def _statements(random: Random) -> str:
    rows = ",".join(f"({n},'{random.choice(WORDS)}',{random.randrange(1_000_000)})" for n in range(8000))
    return (
        "PRAGMA journal_mode=OFF;\nCREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value INTEGER);\n"
        f"INSERT INTO t VALUES {rows};\nCREATE INDEX by_value ON t(value);\n"
        "SELECT name, count(*), sum(value) FROM t GROUP BY name ORDER BY 2;\n"
        "SELECT count(*) FROM t a JOIN t b ON a.value = b.value;\nUPDATE t SET value = value + id WHERE id % 3 = 0;\n"
    )


def _functions(random: Random) -> str:
    made = []
    for n in range(120):
        a, b, c = (random.randint(1, 999) for _ in range(3))
        made.append(
            f"static int f{n}(int *v, int n)\n{{\n  int s = {a};\n  for (int i = 0; i < n; i++) {{\n"
            f"    if (v[i] % {b} == 0) s += v[i] * {c}; else s ^= v[i] >> {n % 7};\n    v[i] = s;\n  }}\n"
            f"  switch (s & 3) {{ case 0: return s; case 1: return s - {b}; default: return s / {a}; }}\n}}\n"
        )
    calls = "".join(f"  s += f{n}(v, n);\n" for n in range(120))
    return "".join(made) + f"int all(int *v, int n)\n{{\n  int s = 0;\n{calls}  return s;\n}}\n"


PROGRAMS = (
    Program(
        "sort", (), ("sort", "--version"), ("--parallel=1", "{input}"),
        "lines.txt", _lines, "20000 lines of 16 random hexadecimal digits and a word", 6_000_000,
    ),
    Program(
        "sqlite3", (), ("sqlite3", "--version"), ("-batch", "-init", "{input}", ":memory:", ".quit"),
        "statements.sql", _statements, "a table of 8000 rows: filled, indexed, grouped, joined, updated", 12_000_000,
    ),
    Program(
        "gzip", (), ("gzip", "--version"), ("-6", "-c", "{input}"),
        "text.txt", _text, "20000 lines of a random number and five random words out of 16", 6_000_000,
    ),
    Program(
        "cc1", ("gcc", "-print-prog-name=cc1"), ("gcc", "--version"), ("-quiet", "-O2", "{input}", "-o", "/dev/null"),
        "functions.c", _functions, "120 C functions with a loop and a switch, and one that calls them", 30_000_000,
    ),
)  # fmt: skip
