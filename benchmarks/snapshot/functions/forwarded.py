"""Requests go to the web server, which something else has started."""

from benchmarks.snapshot.functions.priming import prime_before_snapshot
from benchmarks.snapshot.functions.services import ORIGIN
from bridge import Proxy

handler = Proxy(url=ORIGIN)
prime_before_snapshot(handler)
