"""``python -m sim.report CARD``: renews the figures and the picture in README and docs from the last run on a card."""

import sys
from pathlib import Path

from hdl.errors import Refusal

from .pages import write_pages

try:
    for written in write_pages(Path("build") / sys.argv[1]):
        print(written)
except Refusal as refusal:
    print(f"hardslice: {refusal}", file=sys.stderr)
    sys.exit(2)
