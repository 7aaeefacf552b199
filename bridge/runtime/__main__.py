"""The program `python -m bridge.runtime`."""

import sys

from bridge.runtime.process import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
