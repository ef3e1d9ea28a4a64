"""Bitwuzla as a command: the wheel brings the library only. SMT-LIB from standard input, as yosys-smtbmc writes it."""

import sys
from typing import TextIO


def main(arguments: list[str], source: TextIO) -> int:
    """Answer every command as soon as it is complete."""
    import bitwuzla

    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options, "smt2")
    command, depth = "", 0
    for line in source:
        if not command and (not line.strip() or line.startswith(";")):
            continue
        command += line
        depth += line.count("(") - line.count(")")
        if depth > 0:
            continue
        words = command.strip("()\n ").split()
        if words[0] == "exit":
            break
        # Levels are pushed past the parser, which forgets them from one piece of input to the next.
        if words[0] in ("push", "pop"):
            getattr(parser.bitwuzla(), words[0])(int(words[1]) if len(words) > 1 else 1)
        else:
            parser.parse(command, False, False)
        sys.stdout.flush()
        command, depth = "", 0
    return 0


if __name__ == "__main__":
    if "--help" in sys.argv:
        print("--lang")  # by which yosys-smtbmc knows how to call it
        sys.exit(0)
    sys.exit(main(sys.argv[1:], sys.stdin))
