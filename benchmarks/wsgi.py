"""WSGI applications, warm: in the function's process, beside serverless-wsgi, apig-wsgi, and Proxy with gunicorn."""

import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import serverless_wsgi  # type: ignore[import-untyped]
from apig_wsgi import make_lambda_handler
from flask import Flask

from benchmarks.apps import SMALL
from benchmarks.browser import PAGE
from benchmarks.contestants import check_answers
from benchmarks.events import SOURCES, fresh_events
from benchmarks.rounds import Contestant, Figures, compete
from benchmarks.tables import MEDIAN, Table, shown
from bridge import Bridge, Proxy

__all__ = ["bare", "site", "tables"]

ROUNDS, QUICK_ROUNDS = 100, 5

BRIDGE, SERVERLESS, APIG, GUNICORN = "Bridge", "serverless-wsgi", "apig-wsgi", "Proxy, gunicorn over a UNIX socket"

_METHOD = "gunicorn has one sync worker."

_ROOT = Path(__file__).resolve().parents[1]


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the least that an application can cost."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(SMALL)))])
    return [SMALL]


site = Flask(__name__)


@site.get("/small")
def _small() -> Any:
    return site.response_class(SMALL, mimetype="application/json")


APPS: dict[str, tuple[str, Any]] = {"bare": ("bare WSGI app", bare), "site": ("Flask route", site)}


class _Context:
    """A context with a deadline for Proxy to keep."""

    aws_request_id = "0f6b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def tables(quick: bool) -> list[Table]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    return [_table(name, rounds) for name in APPS]


def _table(name: str, rounds: int) -> Table:
    title, app = APPS[name]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="b"))
        socket = f"{folder}/s"
        command = [sys.executable, "-m", "gunicorn", "--workers=1", "--threads=1", f"--bind=unix:{socket}"]
        proxy = Proxy([*command, f"--chdir={_ROOT}", f"benchmarks.wsgi:{name}"], uds=socket)
        stack.callback(proxy.close)
        bridge = Bridge(app)
        stack.callback(bridge.close)
        figures = {source: _measure(app, bridge, proxy, source, rounds) for source in SOURCES}
    names = next(iter(figures.values())).names
    rows = [[each, *(shown(column.time(each)) for column in figures.values())] for each in names]
    return Table(f"Small body, {title}: us per call, {MEDIAN}", list(figures), rows, [f"{rounds} rounds. {_METHOD}"])


def _measure(app: Any, bridge: Bridge, proxy: Proxy, source: str, rounds: int) -> Figures:
    make, context = fresh_events(source, PAGE), _Context()
    apig = make_lambda_handler(app)
    contestants = [
        Contestant(BRIDGE, make, lambda event: bridge(event, context)),
        Contestant(SERVERLESS, make, lambda event: serverless_wsgi.handle_request(app, event, context)),
        Contestant(APIG, make, lambda event: apig(event, context)),
        Contestant(GUNICORN, make, lambda event: proxy(event, context)),
    ]
    check_answers(contestants, PAGE)
    return compete(contestants, rounds)
