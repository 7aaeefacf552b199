"""The same applications in real frameworks, behind every gateway, in both modes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.frameworks.events import GATEWAYS, Gateway
from tests.integration.modes import Pair, load_pair

# `FRAMEWORK` and `FILES` are put in.
SOURCE = """
from pathlib import Path
from bridge import Bridge
from tests.integration.frameworks import FRAMEWORK_app

handler = Bridge(FRAMEWORK_app.make_app(Path(FILES), []))
"""

FORM = {"name": "Zoë & co", "tag": ["b", "a+c"]}
PNG = bytes(range(256)) * 5000

# Method, path, and what goes with them: all that the applications have but what streams without end.
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/items/caf%C3%A9", {}),
    ("GET", "/items/a%2Fb", {}),
    ("HEAD", "/items/tea", {}),
    ("GET", "/tree/a%2Fb/%C3%BC", {}),
    ("GET", "/nowhere", {}),
    ("DELETE", "/query", {}),
    ("GET", "/query?tag=b&tag=a%2Cc&q=x+y%26z", {}),
    ("POST", "/form", {"data": FORM}),
    ("POST", "/upload", {"data": {"title": "Grüße"}, "files": {"file": ("bild-ä.png", PNG, "image/png")}}),
    ("POST", "/echo", {"content": PNG[:256], "headers": {"content-type": "application/octet-stream"}}),
    ("GET", "/seen", {"headers": {"accept": "text/html,*/*;q=0.8", "x-empty": ""}}),
    ("GET", "/cookies", {"headers": {"cookie": "a=1; b=x=y"}}),
    ("GET", "/url?a=1", {}),
    ("GET", "/moved", {}),
    ("GET", "/slashed", {}),
    ("GET", "/slashed/", {}),
    ("GET", "/stream", {}),
    ("GET", "/static/logo.png", {"headers": {"range": "bytes=10-99"}}),
    ("GET", "/static/style.css", {}),
    ("GET", "/teapot", {}),
    ("GET", "/boom", {}),
    ("GET", "/state", {}),
]

# When the answer was made; and a list in the order of a set of strings, which each process shuffles in its own way.
DIFFERENT = {"date", "allow"}


@pytest.fixture(scope="module", params=["starlette", "fastapi", "django"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    files = tmp_path_factory.mktemp("files")
    (files / "logo.png").write_bytes(PNG)
    (files / "style.css").write_text("p::after { content: '→'; }\n", encoding="utf-8")
    source = SOURCE.replace("FRAMEWORK", request.param).replace("FILES", repr(str(files)))
    with load_pair(tmp_path_factory.mktemp(request.param), source) as pair:
        yield pair


@pytest.fixture(params=[gateway for gateway in GATEWAYS if not gateway.streams], ids=lambda gateway: gateway.name)
def gateway(request: pytest.FixtureRequest) -> Gateway:
    gateway: Gateway = request.param
    return gateway


def test_every_request_gets_the_same_answer(pair: Pair, gateway: Gateway) -> None:
    statuses = set()
    for method, path, options in REQUESTS:
        event = gateway.event(gateway.request(method, path, **options))
        results = pair.ask(event)
        for result in results:
            for headers in (result.get("headers") or {}, result.get("multiValueHeaders") or {}):
                for name in DIFFERENT:
                    headers.pop(name, None)
        in_process, proxied = results
        assert (path, proxied) == (path, in_process)
        statuses.add(in_process["statusCode"])
    assert statuses >= {200, 404, 500}


def test_absolute_urls_and_redirects_keep_the_stage(pair: Pair, gateway: Gateway) -> None:
    result = pair.answer(gateway.event(gateway.request("GET", "/moved")))
    headers = {**(result.get("multiValueHeaders") or {}), **(result.get("headers") or {})}
    location = headers["location"]
    location = location[0] if isinstance(location, list) else location
    assert result["statusCode"] == 302
    assert location == f"https://{gateway.host}{gateway.stage}/items/tea"
