"""yosys-smtbmc as a command, without traces that nobody reads: they take longer than the proofs."""

import sys
from typing import TextIO

from .scripts import run

UNREAD = ("--dump-yw", "--dump-vlogtb", "--dump-smtc")
"""Options that sby always gives, each with the name of a file. That of the waveform stays."""


def without_traces(arguments: list[str]) -> list[str]:
    """The arguments but these options and their values."""
    return [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if argument not in UNREAD and before not in UNREAD
    ]


class WithoutTrace:
    """Standard output for sby, which takes a situation as reached only when it is told of a trace that shows it."""

    def __init__(self, output: TextIO) -> None:
        self.output, self.reached = output, False

    def write(self, text: str) -> int:
        """Pass it on, and tell of a trace behind each line about something that was reached."""
        written = self.output.write(text)
        self.reached |= "Reached cover statement" in text
        if self.reached and text.endswith("\n"):
            self.reached = False
            self.output.write("##   0:00:00  Writing trace to Yosys witness file: none\n")
        return written

    def flush(self) -> None:
        """Pass it on."""
        self.output.flush()


if __name__ == "__main__":
    sys.stdout = WithoutTrace(sys.stdout)
    run("smtbmc", without_traces(sys.argv[1:]))
