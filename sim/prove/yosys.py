"""Yosys as a command: the wheel `pyosys` brings the library only. As much of the command line as sby uses."""

import getopt
import sys


def main(arguments: list[str]) -> int:
    """Run scripts and commands: ``yosys [-q] [-l LOG] [-p COMMANDS] [SCRIPT]``."""
    from pyosys import libyosys

    options, scripts = getopt.gnu_getopt(arguments, "qQTVl:p:s:")
    if ("-V", "") in options:
        print(libyosys.yosys_maybe_version())
        return 0
    log = "".join(f"tee -q -a {value} " for name, value in options if name == "-l")
    commands = [f"script {script}" for script in scripts]
    commands += [value if name == "-p" else f"script {value}" for name, value in options if name in ("-p", "-s")]
    design = libyosys.Design()
    for command in commands:
        libyosys.run_pass(log + command, design)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
