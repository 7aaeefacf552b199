"""Requests go to a web server that `Proxy` starts."""

import sys

from benchmarks.snapshot.functions.priming import prime_before_snapshot
from bridge import Proxy

handler = Proxy([sys.executable, "-m", "benchmarks.snapshot.servers"], port=8003)
prime_before_snapshot(handler)
