"""`python benchmarks/run.py`: the same as `python -m benchmarks`, from any directory."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # The project's folder in place of this one: here lie modules that must not be found under their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
