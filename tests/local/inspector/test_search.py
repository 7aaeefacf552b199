"""Which rows a list has."""

from bridge.local.inspector.search import WINDOW, Search, found
from bridge.local.invocation import Failure
from tests.cases import every_case
from tests.local.inspector.fake_gateway import FakeGateway, ask, event_record, record, request

RECORDS = {
    "users": record(request("GET", "/Users?page=2"), source="alb"),
    "order": record(request("POST", "/orders"), status=503, body=b"try later", log="Deadlock found"),
    "event": event_record(b'{"Records": [{"eventSource": "aws:sqs"}]}', failure=Failure("Sandbox.Timedout", "late")),
}


@every_case(
    ("search", "names"),
    [
        (Search(), ["event", "order", "users"]),
        (Search(text="uSERS"), ["users"]),
        (Search(text="post"), ["order"]),
        (Search(text="timedout"), ["event"]),
        (Search(text="aws:sqs"), ["event"]),
        (Search(text="try later"), ["order"]),
        (Search(text="Deadlock"), ["order"]),
        (Search(text="deadlock"), []),  # contents count as they are written
        (Search(source="alb"), ["users"]),
        (Search(source="invoke"), ["event"]),
        (Search(status="5xx"), ["order"]),
        (Search(status="failed"), ["event", "order"]),
        (Search(status="running"), []),
        (Search(start="warm", status="2xx"), ["users"]),
        (Search(before=RECORDS["order"].id), ["users"]),
    ],
)
def test_a_search_finds(search: Search, names: list[str]) -> None:
    rows, has_more = found(FakeGateway(*RECORDS.values()).history, search)
    assert ([name for row in rows for name, each in RECORDS.items() if each is row], has_more) == (names, False)


def test_ten_thousand_invocations_are_shown_in_pages() -> None:
    gateway = FakeGateway(*(record(request("GET", f"/{number}")) for number in range(10_100)))
    first = ask(gateway, "/").text
    assert "10,000 invocations" in first
    assert (first.count('<tr id="i-'), first.index(">/10099<") > 0) == (WINDOW, True)
    rows, _ = found(gateway.history, Search())
    older = ask(gateway, f"/?before={rows[-1].id}").text
    assert (older.count('<tr id="i-'), ">/9999<" in older, "data-feed" in older) == (WINDOW, True, False)
    assert ">/4242<" in ask(gateway, "/?text=/4242").text
