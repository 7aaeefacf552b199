"""The program `python -m bridge`, and the console script `lambda-bridge`."""

import importlib.util
import logging
import sys

from bridge.cli.interrupts import ctrl_c_ends

__all__ = ["main"]


def main() -> int:
    """Run the command line. Return its exit status: 0, 1 if something failed, 2 for a wrong use."""
    with ctrl_c_ends():
        if importlib.util.find_spec("click") is None:
            print("python -m bridge needs click, which the extra lambda-asgi-bridge[local] brings.", file=sys.stderr)
            return 2
        from bridge.cli.commands import commands
        from bridge.cli.timeout import end_without_threads

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # Lambda's runtimes give the root a handler, too
    try:
        commands(prog_name="python -m bridge")  # which ends the process with its status
    except SystemExit as exc:
        end_without_threads(exc.code if isinstance(exc.code, int) else 1)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
