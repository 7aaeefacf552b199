"""What LambdaTransport adds to a call of the handler, per source, beside Starlette's TestClient on the same route."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, get_args

from starlette.testclient import TestClient

from benchmarks.apps import site
from benchmarks.browser import PAGE, QUERY
from benchmarks.rounds import Contestant, Figures, compete
from benchmarks.tables import MEDIAN, Table, shown
from bridge import Bridge
from bridge._httpx import httpx
from bridge.testing import LambdaTransport
from bridge.testing.messages import ClientRequest
from bridge.testing.services import ServiceName, service_of
from bridge.testing.setup import Setup

__all__ = ["tables"]

ROUNDS, QUICK_ROUNDS = 40, 4
HOST = "shop.example"

HANDLER = "the handler alone"
TRANSPORT = "LambdaTransport"
CLIENT = "httpx.Client with it"
TEST_CLIENT = "Starlette's TestClient"


def tables(quick: bool) -> list[Table]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    rows = []
    for source in get_args(ServiceName):
        figures = _measure(source, rounds)
        names = (HANDLER, TRANSPORT, CLIENT, TEST_CLIENT)
        rows.append([source, *(shown(figures.time(name)) for name in names), shown(figures.over(TRANSPORT, HANDLER))])
    columns = [HANDLER, TRANSPORT, CLIENT, TEST_CLIENT, f"{TRANSPORT} adds"]
    note = f"{rounds} rounds. TestClient makes no event, and runs the application on an event loop in a thread."
    return [Table(f"A small body, a Starlette route: us per request, {MEDIAN}", columns, rows, [note])]


def _measure(source: ServiceName, rounds: int) -> Figures:
    with _contestants(source) as contestants:
        for contestant in contestants:
            result = contestant.result()
            if isinstance(result, httpx.Response):
                assert (result.status_code, result.read()) == (200, PAGE.answer), contestant.name
        return compete(contestants, rounds)


@contextmanager
def _contestants(source: ServiceName) -> Iterator[list[Contestant]]:
    event = service_of(source).event_for(_request(), Setup())
    url = f"https://{HOST}{PAGE.path}?{QUERY}"
    headers = {**PAGE.headers, "host": HOST}
    with ExitStack() as stack:
        handler = Bridge(site)
        stack.callback(handler.close)
        transport = LambdaTransport(handler, source)
        client = stack.enter_context(httpx.Client(transport=transport))
        test_client: Any = stack.enter_context(TestClient(site, base_url=f"https://{HOST}"))
        yield [
            Contestant(HANDLER, lambda: dict(event), lambda event: handler(event, None)),
            Contestant(TRANSPORT, lambda: httpx.Request("GET", url, headers=headers), transport.handle_request),
            Contestant(CLIENT, lambda: None, lambda _: client.get(url, headers=headers)),
            Contestant(TEST_CLIENT, lambda: None, lambda _: test_client.get(url, headers=headers)),
        ]


def _request() -> ClientRequest:
    headers = tuple({**PAGE.headers, "host": HOST}.items())
    return ClientRequest(method="GET", target=f"{PAGE.path}?{QUERY}", headers=headers)
