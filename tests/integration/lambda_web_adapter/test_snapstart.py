"""Lambda Web Adapter's tests of its SnapStart hooks (its src/snapstart.rs), by their own names, on a real web server.

https://github.com/aws/aws-lambda-web-adapter

The hooks are registered with AWS's own registry, and called by AWS's own runtime.

A test without an equivalent here:

| there | why not |
| --- | --- |
| publish_or_adopt_keeps_the_client_invocations_use | no client is published: a restore ends the use of the old one |
"""

from contextlib import nullcontext

import pytest
from awslambdaric.lambda_runtime_hooks_runner import (  # type: ignore[import-untyped]  # AWS ships no types
    run_after_restore,
    run_before_snapshot,
)

from bridge import Proxy
from bridge.errors import OriginNotStarted, SnapshotHookFailed
from tests.integration.lambda_web_adapter.conftest import MakeProxy
from tests.integration.lambda_web_adapter.recorder import Recorder
from tests.integration.servers import ask

pytestmark = pytest.mark.usefixtures("_in_lambda")


def connections(handler: Proxy, app: Recorder) -> int:
    """Return the number of connections that three requests need."""
    first = len(app.seen)
    for _ in range(3):
        ask(handler, "GET", "/")
    return len({seen.port for seen in app.seen[first:]})


def test_before_snapshot_posts_when_set(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("POST", "/before", b"")
    proxy(before_checkpoint_path="/before")

    run_before_snapshot()

    assert [(seen.method, seen.target, seen.body) for seen in app.seen] == [("POST", "/before", b"")]


def test_before_snapshot_noop_when_unset(proxy: MakeProxy, app: Recorder) -> None:
    proxy()

    run_before_snapshot()

    assert app.seen == []


def test_before_snapshot_non_2xx_is_error(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("POST", "/before", b"", status=500)
    proxy(before_checkpoint_path="/before")

    with pytest.raises(SnapshotHookFailed, match=r"POST /before: .* 500"):
        run_before_snapshot()


@pytest.mark.parametrize("status", [204, 503])
def test_after_restore_publishes_client_then_posts(proxy: MakeProxy, app: Recorder, status: int) -> None:
    """And test_after_restore_publishes_client_even_when_hook_fails."""
    app.answer("POST", "/after", b"", status=status)
    handler = proxy(after_restore_path="/after")
    before = connections(handler, app)

    with nullcontext() if status == 204 else pytest.raises(SnapshotHookFailed, match=r"POST /after: .* 503"):
        run_after_restore()

    assert app.asked[-1] == ("POST", "/after")
    assert (before, connections(handler, app)) == (1, 3)


def test_post_hook_times_out_when_app_is_slow(proxy: MakeProxy, app: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.proxy.forwarder.HOOK_LIMIT", 0.1)
    app.hold("POST", "/slow")
    proxy(before_checkpoint_path="/slow")

    with pytest.raises(SnapshotHookFailed, match=r"POST /slow: .* 0\.1 s"):
        run_before_snapshot()


def test_after_restore_publishes_client_when_path_unset(proxy: MakeProxy, app: Recorder) -> None:
    handler = proxy()
    before = connections(handler, app)

    run_after_restore()

    assert (before, connections(handler, app)) == (1, 3)


def test_after_restore_readiness_check_runs_over_fresh_client(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/ready", b"")
    proxy(readiness_protocol="http", readiness_path="/ready")

    run_after_restore()

    first, second = app.seen
    assert (first.asked, second.asked) == (("GET", "/ready"), ("GET", "/ready"))
    assert first.port != second.port


def test_check_readiness_times_out_when_app_never_ready(
    proxy: MakeProxy, app: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.answer("GET", "/ready", b"")
    proxy(readiness_protocol="http", readiness_path="/ready")
    app.answer("GET", "/ready", b"", status=503)
    monkeypatch.setattr("bridge.proxy.settings.INIT_LIMIT", 0.2)

    with pytest.raises(OriginNotStarted, match=r"not ready within 0\.2 s: .* status 503"):
        run_after_restore()
