"""Around a snapshot: the calls of the web server's hooks, and connections that do not outlive it.

The hooks run as Lambda's runtime runs them: before a snapshot in reverse order, after a restore in order.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import snapshot_restore_py  # type: ignore[import-untyped]  # AWS ships no types

from bridge import Proxy, Settings
from bridge.errors import OriginNotStarted, SnapshotHookFailed
from tests.logged import assert_logged
from tests.proxy.programs import Event, MakeEvent, Programs, Proxies, Serve

pytestmark = pytest.mark.usefixtures("nothing_unclosed")


HOOKS = {"before_checkpoint_path": "/hooks/before", "after_restore_path": "/hooks/after"}

RESTORED = ("WARNING", "restored", "the runtime said so", "a connection of its own")


@pytest.fixture
def time_limit() -> int:
    return 60


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch, proxies: Proxies) -> Iterator[Proxies]:
    """Handlers made in Lambda, under SnapStart unless a test says otherwise: they start their servers immediately."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    monkeypatch.setattr(snapshot_restore_py, "_before_snapshot_registry", [])
    monkeypatch.setattr(snapshot_restore_py, "_after_restore_registry", [])
    yield proxies
    signal.signal(signal.SIGTERM, before)


def run_before_snapshot() -> None:
    registered: list[Any] = snapshot_restore_py.get_before_snapshot()
    while registered:
        function, args, kwargs = registered.pop()
        function(*args, **kwargs)


def run_after_restore() -> None:
    for function, args, kwargs in snapshot_restore_py.get_after_restore():
        function(*args, **kwargs)


def connection(handler: Proxy, event: Event) -> int:
    """Return the number of the connection on which the server got the request."""
    result = handler(event, None)
    assert result["statusCode"] == 200, result
    number: int = json.loads(result["body"])["connection"]
    return number


def test_the_server_is_told_before_the_snapshot_and_after_the_restore(
    serve: Serve, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    program, handler = serve(HOOKS)
    assert program.targets == ["GET /health"]
    run_before_snapshot()
    assert program.targets == ["GET /health", "POST /hooks/before"]
    run_after_restore()
    handler(make_event(), None)
    assert program.targets == ["GET /health", "POST /hooks/before", "POST /hooks/after", "GET /health", "GET /"]
    hook = program.records("request")[1]
    assert (hook["headers"], hook["body"]) == (
        [["host", f"127.0.0.1:{program.port}"], ["content-length", "0"]],
        "",
    )
    assert_logged(caplog, RESTORED)


def test_without_hook_paths_readiness_alone_is_asked_for_after_the_restore(serve: Serve) -> None:
    program, _ = serve()
    run_before_snapshot()
    run_after_restore()
    assert program.targets == ["GET /health"] * 2


def test_a_hook_must_be_answered_with_2xx(serve: Serve) -> None:
    for path, run in (("/hooks/before", run_before_snapshot), ("/hooks/after", run_after_restore)):
        for status in (204, 299):
            serve(HOOKS, answers={path: status})
            run()
        program, handler = serve(HOOKS, answers={path: 301})
        with pytest.raises(SnapshotHookFailed, match=f"POST {path}: .* 2xx .* 301"):
            run()
        assert program.targets == ["GET /health", f"POST {path}"]
        handler.close()


def test_a_hook_without_an_answer_fails_the_phase(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve({"before_checkpoint_path": "/hang", "after_restore_path": "/drop"})
    with pytest.raises(SnapshotHookFailed, match=r"POST /drop: .* disconnected"):
        run_after_restore()
    monkeypatch.setattr("bridge.proxy.forwarder.HOOK_LIMIT", 0.2)
    with pytest.raises(SnapshotHookFailed, match=r"POST /hang: .* 0\.2 s"):
        run_before_snapshot()


def test_a_server_that_is_not_ready_after_the_restore_fails_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    program, _ = serve()
    monkeypatch.setattr("bridge.init_phase.LONG_INIT", 0.3)
    os.kill(program.pids[0], signal.SIGSTOP)
    try:
        with pytest.raises(OriginNotStarted, match=r"was not ready within 0\.3 s"):
            run_after_restore()
    finally:
        os.kill(program.pids[0], signal.SIGCONT)


def test_under_snapstart_every_request_has_a_connection_of_its_own_from_the_first_one_on(
    serve: Serve, make_event: MakeEvent
) -> None:
    _, handler = serve()
    assert [connection(handler, make_event()) for _ in range(3)] == [1, 2, 3]
    run_before_snapshot()
    run_after_restore()
    assert [connection(handler, make_event()) for _ in range(3)] == [5, 6, 7]


def test_elsewhere_a_connection_is_used_again_until_a_restore(
    serve: Serve, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
    _, handler = serve({"pool_idle_timeout": 60})
    assert [connection(handler, make_event()) for _ in range(3)] == [1, 1, 1]
    run_after_restore()
    assert [connection(handler, make_event()) for _ in range(3)] == [3, 4, 5]
    run_after_restore()
    assert_logged(caplog, RESTORED)


def test_a_handler_that_was_closed_has_nothing_to_do_around_a_snapshot(serve: Serve) -> None:
    program, handler = serve(HOOKS)
    handler.close()
    run_before_snapshot()
    run_after_restore()
    assert program.targets == ["GET /health"]


def test_a_handler_made_inside_a_running_loop_has_its_server_before_the_snapshot(
    proxies: Proxies, programs: Programs
) -> None:
    program = programs()

    async def main() -> None:
        proxies(program, **HOOKS)

    asyncio.run(main())
    run_before_snapshot()
    assert program.targets == ["GET /health", "POST /hooks/before"]


# The hooks are not for clients.


def test_a_client_that_asks_for_a_hook_is_refused(
    serve: Serve, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    program, handler = serve(HOOKS)
    for path in ("/hooks/after", "/hooks/before", "/x/../hooks/%61fter;v=1"):
        caplog.clear()
        assert handler(make_event("POST", path, rawQueryString="a=b"), None) == {
            "statusCode": 403,
            "headers": {"content-type": "text/plain; charset=utf-8", "content-length": "9"},
            "cookies": [],
            "body": "Forbidden",
            "isBase64Encoded": False,
        }
        assert_logged(caplog, ("WARNING", f"POST {path}: ", "hook path", "403"))
        assert "a=b" not in caplog.text
    assert program.targets == ["GET /health"]
    for path in ("/hooks", "/hooks/afterwards", "/hooks/after/more"):
        assert handler(make_event("POST", path), None)["statusCode"] == 200


def test_neither_a_base_path_nor_a_root_path_leads_to_a_hook(serve: Serve, make_event: MakeEvent) -> None:
    for settings in (Settings(base_path="/api"), Settings(root_path="/hooks"), Settings(root_path="/api")):
        program, handler = serve({**HOOKS, "settings": settings})
        for path in ("/hooks/after", "/api/hooks/after", "/api//hooks/after", "/hooks/hooks/after"):
            handler(make_event("POST", path), None)
        assert "POST /hooks/after" not in program.targets
