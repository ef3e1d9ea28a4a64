"""Recorded programs on the card, from the last `make replay`, for the report page."""

import json
from pathlib import Path
from typing import Any

RESULT = "replay.json"


def load(folder: Path, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The result beside the report; none if there is none, or if it is of another card."""
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return dict(result) if result.get("manifest") == manifest["hash"] else None
