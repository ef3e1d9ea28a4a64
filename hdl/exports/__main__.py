"""``python -m hdl.exports docs``: renew the generated pages below the folder `docs`."""

import sys
from pathlib import Path

from ..errors import Refusal
from ..files import write_text
from .pages import pages


def main(arguments: list[str]) -> int:
    """Renew the pages below the one folder that is named; the exit code."""
    try:
        if len(arguments) != 1:
            raise Refusal("give the folder of the pages: python -m hdl.exports docs")
        for path, text in pages(Path(arguments[0])).items():
            write_text(path, text)
            print(path)
    except Refusal as refusal:
        print(f"hardslice: {refusal}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
