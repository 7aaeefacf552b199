"""The inspector over HTTP: its pages, what its buttons do, and whom it lets in."""

import gzip
import html
import json
import re
from html.parser import HTMLParser
from itertools import permutations
from typing import get_args
from urllib.parse import quote

import pytest

from bridge.local.invocation import Failure
from bridge.testing.messages import ClientResponse
from bridge.testing.services import ServiceName
from tests.cases import every_case
from tests.local.inspector.fake_gateway import HOST, FakeGateway, ask, event_record, record, request

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`&amp;\x00\x1b[2J\u202e{{7*7}}"


@every_case(
    ("host", "origin", "site", "client", "reads", "acts"),
    [
        ("127.0.0.1:3000", None, None, "127.0.0.1", True, True),
        ("localhost:3000", "http://localhost:3000", "same-origin", "127.0.0.1", True, True),
        ("[::1]:3000", "http://[::1]:3000", None, "::1", True, True),
        ("127.0.0.1", "http://127.0.0.1", None, "127.0.0.1", True, True),
        ("evil.example:3000", None, None, "127.0.0.1", False, False),  # DNS rebinding
        ("127.0.0.1.evil.example", None, None, "127.0.0.1", False, False),
        ("localhost@evil.example", None, None, "127.0.0.1", False, False),
        ("0.0.0.0:3000", None, None, "127.0.0.1", False, False),
        (HOST, "http://evil.example", "cross-site", "127.0.0.1", False, False),  # fetch, or a simple POST
        (HOST, "https://localhost.evil.example", None, "127.0.0.1", False, False),
        (HOST, "http://localhost@evil.example", None, "127.0.0.1", False, False),
        (HOST, "null", None, "127.0.0.1", False, False),  # a sandboxed frame, or a file
        (HOST, None, "cross-site", "127.0.0.1", False, False),
        (HOST, None, None, "192.0.2.1", False, False),
    ],
)
def test_it_answers_programs_and_pages_of_this_machine_alone(
    host: str, origin: str | None, site: str | None, client: str, reads: bool, acts: bool
) -> None:
    invocation = record(request())
    gateway = FakeGateway(invocation)
    headers = {"Host": host} | ({"Origin": origin} if origin else {}) | ({"Sec-Fetch-Site": site} if site else {})
    pages = ("/", "/feed" if not reads else "/send", f"/invocations/{invocation.id}", "/static/inspector.js")
    answers = [ask(gateway, path, headers=headers, client=client).status_code for path in pages]
    assert answers == [200 if reads else 403] * 4
    actions = (f"/invocations/{invocation.id}/replay", "/environments/cold-start")
    answers = [ask(gateway, path, form={}, headers=headers, client=client).status_code for path in actions]
    assert answers == [303 if acts else 403] * 2
    assert gateway.did == ([("replay", None), "cold start"] if acts else [])


def test_every_answer_has_the_policy_that_keeps_scripts_out() -> None:
    invocation = record(request())
    one = f"/invocations/{invocation.id}"
    answers = [
        *(ask(FakeGateway(invocation), path) for path in ("/", "/static/inspector.js", "/nothing", "/static/nothing")),
        *(
            ask(FakeGateway(invocation), f"{one}/{path}")
            for path in ("event.json", "result", "body", "log.txt", "test.py")
        ),
        ask(FakeGateway(invocation), "/feed", method="HEAD"),
        ask(FakeGateway(invocation), "/", method="PUT"),
        ask(FakeGateway(invocation), "/send", form={f"k{number}": "" for number in range(60)}),
        ask(FakeGateway(invocation), f"{one}/replay", form={}),
        ask(FakeGateway(invocation), "/environments/restore", form={}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404, *[200] * 6, 405, 400, 303, 409]
    for headers in (answer.headers for answer in answers):
        policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        assert (headers["referrer-policy"], "cache-control" in headers) == ("same-origin", True)


def test_a_failure_of_the_inspector_itself_has_a_page_and_is_raised() -> None:
    gateway = FakeGateway()
    gateway.history = None  # type: ignore[assignment]
    answer = ask(gateway, "/", raises=False)
    assert (answer.status_code, "The inspector itself failed." in answer.text) == (500, True)
    assert "content-security-policy" in answer.headers
    with pytest.raises(TypeError):
        ask(gateway, "/")


def test_hostile_input_is_text_in_every_field() -> None:
    target = "/" + quote(HOSTILE)
    hostile = request(
        "GET", target + "?q=<b>&x=\"'", ("X-Hostile", HOSTILE.encode().decode("latin-1")), body=HOSTILE.encode()
    )
    first = record(
        hostile, body=HOSTILE.encode(), headers=(("x-hostile", HOSTILE), ("content-type", "text/html")), log=HOSTILE
    )
    assert first.response is not None
    first.response = ClientResponse(200, first.response.headers, HOSTILE.encode(), (HOSTILE,))
    first.content_type = HOSTILE
    event = json.dumps({HOSTILE: [HOSTILE, {"\ud800": HOSTILE}]}).encode()
    second = event_record(event, failure=Failure(HOSTILE, HOSTILE, event), log=HOSTILE)
    second.result = bytearray(HOSTILE.encode())
    second.replay_of = first.id
    gateway = FakeGateway(first, second)
    gateway.environments[0].log = [HOSTILE]
    pages = ["/", f"/?text={quote(HOSTILE)}", f"/?text=nothing&source={quote(HOSTILE)}"]
    for id in (first.id, second.id):
        one = f"/invocations/{id}"
        pages += [
            one,
            f"{one}/test",
            f"{one}/compare?with={first.id}",
            f"/send?from={id}",
            "/invocations/" + quote(HOSTILE),
        ]
    for path in pages:
        text = ask(gateway, path).text
        seen = Seen()
        seen.feed(text)
        assert seen.foreign == [], path
        shown = re.sub(r"(?s)<textarea.*?</textarea>|value=\"[^\"]*\"", "", text)  # a form sends it back unchanged
        assert [char for char in "\u202e\x1b\x00" if char in shown] == [], path
    posted = ask(gateway, "/send", form={"kind": "event", "event": HOSTILE, "origin": HOSTILE, "source": HOSTILE})
    assert (posted.status_code, "<script>alert" in posted.text) == (400, False)


def test_documents_may_be_nested_deeply() -> None:
    for depth in (50, 101, 500, 20_000):
        deep = b'{"k":' * depth + b"1" + b"}" * depth
        first, second = event_record(deep), event_record(deep.replace(b"1", b"2"))
        first.result = bytearray(deep)
        answered = record(request(), body=deep)
        gateway = FakeGateway(first, second, answered)
        one = f"/invocations/{first.id}"
        pages = (
            "/",
            one,
            f"{one}/test",
            f"{one}/event.json",
            f"{one}/compare?with={second.id}",
            f"/send?from={first.id}",
        )
        others = (f"/invocations/{answered.id}", f"/invocations/{answered.id}/test")
        assert {ask(gateway, path).status_code for path in (*pages, *others)} == {200}, depth


def test_a_form_may_not_be_endless() -> None:
    gateway = FakeGateway()
    assert ask(gateway, "/send", form={f"k{number}": "" for number in range(60)}).status_code == 400
    assert ask(gateway, "/send", form={"event": "x" * (21 << 20)}).status_code == 413


class Seen(HTMLParser):
    """Notes in `foreign` what the inspector itself never writes."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_own_script = tag == "script" and dict(attrs) == {"src": "/static/inspector.js", "defer": None}
        if tag in ("img", "b", "style", "iframe") or (tag == "script" and not is_own_script):
            self.foreign.append(tag)
        self.foreign += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.foreign += [value for name, value in attrs if name in ("href", "src", "action") and _is_foreign(value)]


def _is_foreign(url: str | None) -> bool:
    return url is None or not url.startswith(("/", "#", "http://127.0.0.1:")) or url.startswith("//")


def test_downloads_are_never_shown_by_a_browser() -> None:
    invocation = record(request(), body=b"<script>alert(1)</script>")
    for path in ("event.json", "result", "body", "log.txt", "test.py"):
        headers = ask(FakeGateway(invocation), f"/invocations/{invocation.id}/{path}").headers
        assert headers["content-type"] == "application/octet-stream"
        assert headers["content-disposition"].startswith("attachment; ")


def test_an_invocation_that_is_gone_is_a_404() -> None:
    paths = ("/invocations/x", "/invocations/x/feed", "/invocations/x/compare", "/send?from=x", "/invocations/x/test")
    assert [ask(FakeGateway(), path).status_code for path in paths] == [404] * 5
    posts = ("/invocations/x/replay", "/environments/x")
    assert [ask(FakeGateway(), path, form={}).status_code for path in posts] == [404] * 2


def test_a_get_changes_nothing() -> None:
    invocation = record(request())
    gateway = FakeGateway(invocation)
    for path in (f"/invocations/{invocation.id}/replay", "/environments/cold-start"):
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            assert ask(gateway, path, method=method).status_code == 405
    assert ask(gateway, "/send", method="PUT").status_code == 405
    assert gateway.did == []


def test_a_head_of_a_feed_ends() -> None:
    invocation = record(request())
    for path in (
        "/feed",
        f"/invocations/{invocation.id}/feed",
        f"/invocations/{invocation.id}/compare/feed?with={invocation.id}",
    ):
        answer = ask(FakeGateway(invocation), path, method="HEAD")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_the_buttons_do_what_they_say() -> None:
    invocation = record(request())
    gateway = FakeGateway(invocation, snapstart=True)
    one = f"/invocations/{invocation.id}"
    replayed = ask(gateway, f"{one}/replay", form={})
    newest = next(iter(gateway.history))
    assert (replayed.status_code, replayed.headers["location"]) == (303, f"/invocations/{newest.id}")
    assert newest.replay_of == invocation.id
    other = ask(gateway, f"{one}/replay", form={"source": "alb"})
    newest = next(iter(gateway.history))
    assert (newest.source, other.headers["location"]) == ("alb", f"/invocations/{newest.id}/compare")
    assert ask(gateway, f"{one}/replay", form={"source": "carrier-pigeon"}).status_code == 400
    for name in ("cold-start", "freeze", "restore"):
        assert ask(gateway, f"/environments/{name}", form={}).headers["location"] == "/"
    assert gateway.did == [("replay", None), ("replay", "alb"), "cold start", "freeze", "restore"]


def test_a_replay_that_the_service_refuses_says_why() -> None:
    invocation = record(request("GET", "/refused"))
    gateway = FakeGateway(invocation)
    for form in ({}, {"source": "alb"}):
        answer = ask(gateway, f"/invocations/{invocation.id}/replay", form=form)
        assert (answer.status_code, "status 414. The path is too long." in answer.text) == (409, True)


def test_the_buttons_keep_what_is_searched() -> None:
    gateway = FakeGateway()
    assert 'action="/environments/freeze?text=a%26b&amp;status=5xx"' in ask(gateway, "/?text=a%26b&status=5xx").text
    answer = ask(gateway, "/environments/freeze?text=a%26b&status=5xx", form={})
    assert answer.headers["location"] == "/?text=a%26b&status=5xx"


def test_every_source_can_be_compared_with_every_other() -> None:
    requests = {name: request("GET", "/prod/a?b=c", ("Cookie", "d=e")) for name in get_args(ServiceName)}
    records = {name: record(each, source=name) for name, each in requests.items()}
    gateway = FakeGateway(*records.values())
    for first, second in permutations(records.values(), 2):
        page = ask(gateway, f"/invocations/{second.id}/compare?with={first.id}").text
        assert ("<del" in page, "<ins" in page) == (True, True), (first.source, second.source)


def test_what_is_too_long_to_be_compared_has_its_digest() -> None:
    first, second, third = (event_record(json.dumps([letter] * 60_000).encode()) for letter in "aab")
    gateway = FakeGateway(first, second, third)
    same = ask(gateway, f"/invocations/{second.id}/compare?with={first.id}").text
    other = ask(gateway, f"/invocations/{third.id}/compare?with={first.id}").text
    assert ("SHA-256" in same, other.count("300,000 bytes, too many to compare. SHA-256: ")) == (False, 2)


def test_a_compressed_body_is_shown_decoded() -> None:
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    invocation = record(request(), body=gzip.compress(b'{"inner": [1]}'), headers=headers)
    page = ask(FakeGateway(invocation), f"/invocations/{invocation.id}").text
    assert ('<span class="key">&quot;inner&quot;</span>' in page, "Decoded from gzip: 14 bytes" in page) == (True, True)
    damaged = record(request(), body=b"\x1f\x8b\x08 nothing", headers=headers)
    page = ask(FakeGateway(damaged), f"/invocations/{damaged.id}").text
    assert ("1f 8b 08" in page or "\u241f" in page, "This is not gzip" in page) == (True, True)


def test_a_stack_trace_is_shown_as_lines() -> None:
    document = json.dumps(
        {"errorType": "ValueError", "stackTrace": ['  File "a.py"\n    raise\n', "  last\n"]}
    ).encode()
    failed = event_record(b"{}", failure=Failure("ValueError", "broken", document))
    assert (
        "  File &quot;a.py&quot;\n    raise\n  last</pre>" in ask(FakeGateway(failed), f"/invocations/{failed.id}").text
    )


def test_with_concurrency_the_log_says_where_the_rest_is() -> None:
    invocation = record(request())
    texts = [
        ask(FakeGateway(invocation, concurrency=number), f"/invocations/{invocation.id}").text for number in (1, 2)
    ]
    assert ["With --concurrency" in text for text in texts] == [False, True]


def test_no_page_shows_the_function_s_variables() -> None:
    invocation = record(request())
    gateway = FakeGateway(invocation, environ={"API_KEY": "hidden-value"})
    one = f"/invocations/{invocation.id}"
    for path in ("/", one, f"{one}/test", f"{one}/compare?with={invocation.id}", f"/send?from={invocation.id}"):
        assert "hidden-value" not in ask(gateway, path).text


def test_a_restore_without_snapstart_says_why_not() -> None:
    answer = ask(FakeGateway(), "/environments/restore", form={})
    assert (answer.status_code, "no SnapStart" in answer.text) == (409, True)
    page = ask(FakeGateway(), "/").text
    assert re.search(r"<button[^>]*disabled[^>]*>Restore", page)
    assert "Restore requires --snapstart." in page


def test_what_the_form_shows_is_sent_as_it_was() -> None:
    bodies = [b"", b"a=1&b=2", "zwölf\n".encode(), b"two\r\nlines", b"\n\nbegins with ends", b"\xff\x00\x01"]
    for body in bodies:
        original = request(
            "PUT", "/x?y=%20", ("X-Letters", "zw\xc3\xb6lf"), ("Content-Length", str(len(body))), body=body
        )
        invocation = record(original, source="alb")
        gateway = FakeGateway(invocation)
        form = _form(ask(gateway, f"/send?from={invocation.id}").text, 0)
        assert ask(gateway, "/send", form=form).status_code == 303
        source, sent = gateway.did[-1]
        without = {"body": None, "headers": None, "client": None, "scheme": None, "server_port": None}
        assert (source, sent.body, vars(sent) | without) == ("alb", body, vars(original) | without)
        assert ("X-Letters", "zw\xc3\xb6lf") in sent.headers
        assert next(iter(gateway.history)).replay_of == invocation.id


def _form(page: str, number: int) -> dict[str, str]:
    """Return what a browser sends of an unchanged form."""
    form = re.findall(r'(?s)<form method="post".*?</form>|<form [^>]*class="panel".*?</form>', page)[number]
    fields = dict(re.findall(r'<input[^>]*name="(\w+)" value="([^"]*)"', form))
    for name, text in re.findall(r'(?s)<textarea name="(\w+)"[^>]*>(.*?)</textarea>', form):
        fields[name] = text.removeprefix("\n").replace("\n", "\r\n")
    for name, options in re.findall(r'(?s)<select name="(\w+)">(.*?)</select>', form):
        fields[name] = re.findall(r'<option value="([^"]*)" selected', options)[0]
    return {name: html.unescape(text) for name, text in fields.items()}


@every_case(
    ("form", "fact"),
    [
        ({"kind": "event", "event": "{"}, "Expected an event in JSON"),
        ({"kind": "event", "event": "[" * 100_000}, "nested"),
        ({"source": "carrier-pigeon"}, "Expected a source"),
        ({"source": "alb", "method": "GET / HTTP/1.1\r\nX: y"}, "Expected a method"),
        ({"source": "alb", "target": "users"}, "starts with a slash"),
        ({"source": "alb", "headers": "Host"}, "Expected a header"),
        ({"source": "alb", "headers": "X: a\x0bb"}, "control characters"),
        ({"source": "alb", "body": "!", "encoding": "base64"}, "base64"),
        ({"source": "alb", "target": "/refused"}, "The path is too long."),
    ],
)
def test_a_form_that_cannot_be_sent_says_why(form: dict[str, str], fact: str) -> None:
    gateway = FakeGateway()
    answer = ask(gateway, "/send", form=form)
    assert (answer.status_code, len(gateway.history)) == (400, 0)
    assert fact in html.unescape(answer.text)


def test_a_form_that_cannot_be_sent_keeps_what_was_typed_and_the_other_form() -> None:
    original = record(request("PUT", "/kept", body=b"the body"))
    gateway = FakeGateway(original)
    answer = ask(gateway, "/send", form={"kind": "event", "origin": original.id, "event": '{"typed": '})
    assert (answer.status_code, "<title>Not sent" in answer.text) == (400, True)
    assert _form(answer.text, 1)["event"] == '{"typed": '
    assert {"method": "PUT", "target": "/kept", "body": "the body", "origin": original.id}.items() <= _form(
        answer.text, 0
    ).items()
    answer = ask(gateway, "/send", form={"source": "alb", "method": "G T", "headers": "A: <b>\r\nB: c"})
    assert {"method": "G T", "headers": "A: <b>\r\nB: c", "source": "alb"}.items() <= _form(answer.text, 0).items()


def test_an_event_is_sent_as_it_is() -> None:
    gateway = FakeGateway()
    assert ask(gateway, "/send", form={"kind": "event", "event": '{"k": "\\u00e4"}'}).status_code == 303
    assert gateway.did == [{"k": "ä"}]
