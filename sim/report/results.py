"""Results of other runs that the report page shows: from the last `make replay` and `make prove`."""

import json
from pathlib import Path
from typing import Any


def load(path: Path, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """A result beside the report; none if there is none, or if it is of another card."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return dict(result) if result.get("manifest") == manifest["hash"] else None
