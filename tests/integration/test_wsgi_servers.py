"""The environ in process is the one that gunicorn makes of the same request, except what is listed here."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bridge import Bridge, Proxy
from tests.cases import every_case
from tests.events import BASES, load
from tests.integration.functions.environ_echo import app

FUNCTIONS = Path(__file__).parent / "functions"

# A UNIX socket has no addresses, so gunicorn does not know the client; what else the context headers tell it is in the
# environ itself; REQUEST_URI is Werkzeug's name for RAW_URI.
DIFFERENT = {"REMOTE_ADDR", "REMOTE_PORT", "REQUEST_URI", "SERVER_SOFTWARE", "HTTP_X_AMZN_REQUEST_CONTEXT"}

# Where gunicorn is not told the scheme, it takes the request for one of http.
OF_SCHEME = {"SERVER_PORT", "wsgi.url_scheme"}

# AWS's trace id comes from the invocation, and there is none here. Behind a stage, Proxy removes it from the path, and
# names it in a header. No header names the user.
OF_PROXY = {"HTTP_X_AMZN_TRACE_ID", "HTTP_X_FORWARDED_PREFIX", "SCRIPT_NAME", "RAW_URI", "REMOTE_USER"}


class Both:
    """The same application in process, and under gunicorn."""

    def __init__(self, stack: ExitStack) -> None:
        socket = stack.enter_context(TemporaryDirectory(prefix="b")) + "/s"
        command = [sys.executable, "-m", "gunicorn", f"--bind=unix:{socket}", f"--chdir={FUNCTIONS}"]
        self._bridge, self._proxy = Bridge(app), Proxy([*command, "environ_echo:app"], uds=socket)
        stack.callback(self._bridge.close)
        stack.callback(self._proxy.close)

    def ask(self, event: dict[str, Any]) -> tuple[tuple[dict[str, Any], str], tuple[dict[str, Any], str]]:
        """Return both environs without what differs always, and both bodies."""
        answers = []
        for handler in (self._bridge, self._proxy):
            environ, body = json.loads(handler(event, None)["body"])
            if "HTTP_ACCEPT" in environ:
                environ["HTTP_ACCEPT"] = environ["HTTP_ACCEPT"].replace(", ", ",")
            answers.append(({name: environ[name] for name in environ.keys() - DIFFERENT}, body))
        return answers[0], answers[1]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with ExitStack() as stack:
        yield Both(stack)


@every_case("name", BASES)
def test_every_source_gives_the_environ_of_gunicorn(both: Both, name: str) -> None:
    (ours, body), (theirs, their_body) = both.ask(load(name))
    assert body == their_body
    different = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    assert different <= OF_PROXY | (OF_SCHEME if name in ("lambda_edge", "vpc_lattice_v1", "vpc_lattice_v2") else set())
    if name != "rest_api":
        assert different & OF_PROXY <= {"HTTP_X_AMZN_TRACE_ID"}


PATHS = ["/", "/a%2Fb", "/a//b/", "/%E8%8C%B6", "/a%FFb", "/a;b=c,d@e:f", "/100%25", "/a%20b+c", "/.%2e/x", "/%00"]


@every_case("path", PATHS)
def test_every_path_and_query_is_as_under_gunicorn(both: Both, path: str) -> None:
    (ours, _), (theirs, _) = both.ask(load("function_url", rawPath=path, rawQueryString=f"q={path[1:]}&&a=%26"))
    names = ("SCRIPT_NAME", "PATH_INFO", "RAW_URI", "QUERY_STRING")
    assert [ours[name] for name in names] == [theirs[name] for name in names]
