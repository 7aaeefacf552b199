"""One run of an application's lifespan, without a handler around it."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from bridge._types import ASGIApp, LifespanMode, Message, Receive, Scope, Send
from bridge.asgi import lifespan as lifespan_module
from bridge.asgi.lifespan import LifespanOff, LifespanOn, make_lifespan
from bridge.errors import ApplicationCancelled, LifespanError, ShutdownFailed, StartupFailed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

BOTH = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])

MODES: list[LifespanMode] = ["auto", "on"]


@pytest.fixture
def anyio_backend() -> str:
    """Choose asyncio, which Lambda has alone; one success and one failure are tested on trio, too."""
    return "asyncio"


class Journal(list[object]):
    """A whole application whose lifespan writes down what happens to it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.append(dict(scope))
        scope["state"]["made by"] = "startup"
        self.append(await receive())
        await send({"type": "lifespan.startup.complete"})
        self.append(await receive())
        await send({"type": "lifespan.shutdown.complete"})
        self.append("end")


def answering(*answers: str, message: str | None = None, then: BaseException | None = None) -> ASGIApp:
    """Return an application that answers each event it receives in turn, and then returns or raises."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for answer in answers:
            await receive()
            await send({"type": f"lifespan.{answer}"} | ({} if message is None else {"message": message}))
        if then is not None:
            raise then

    return app


def receiving_then(then: BaseException | None) -> ASGIApp:
    """Return an application that receives the first event, and then returns or raises."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if then is not None:
            raise then

    return app


@BOTH
@pytest.mark.parametrize("mode", MODES)
async def test_the_application_sees_startup_and_shutdown_in_one_call(mode: LifespanMode) -> None:
    app = Journal()
    lifespan = make_lifespan(app, mode)
    assert not lifespan.is_lost
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    await lifespan.startup()
    assert app == [scope | {"state": {"made by": "startup"}}, {"type": "lifespan.startup"}]
    assert lifespan.state == {"made by": "startup"}
    assert not lifespan.is_lost
    await lifespan.shutdown()
    await lifespan.shutdown()  # which does nothing any more
    assert app[2:] == [{"type": "lifespan.shutdown"}, "end"]
    assert not lifespan.is_lost


async def test_off_does_not_call_the_application() -> None:
    app = Journal()
    lifespan = make_lifespan(app, "off")
    assert isinstance(lifespan, LifespanOff)
    await lifespan.startup()
    await lifespan.shutdown()
    assert (app, lifespan.state, lifespan.is_lost) == ([], None, False)


async def raises_immediately(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("only http")


async def returns_immediately(scope: Scope, receive: Receive, send: Send) -> None:
    return None


@pytest.mark.parametrize("app", [raises_immediately, returns_immediately])
async def test_auto_goes_on_without_an_application_that_does_not_know_lifespan(
    app: ASGIApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lifespan = make_lifespan(app, "auto")
    await lifespan.startup()
    await lifespan.shutdown()
    assert (lifespan.state, lifespan.is_lost, caplog.records) == (None, False, [])


@pytest.mark.parametrize(
    ("app", "did"),
    [(raises_immediately, "raised AssertionError: only http"), (returns_immediately, "returned")],
)
async def test_on_insists_on_an_application_that_knows_lifespan(app: ASGIApp, did: str) -> None:
    with pytest.raises(StartupFailed) as caught:
        await make_lifespan(app, "on").startup()
    assert str(caught.value) == (
        f"lifespan='on', but the application does not support lifespan: it {did} before it called receive()."
    )
    assert type(caught.value.__cause__) is (AssertionError if app is raises_immediately else type(None))


OOPS = ValueError("oops")

# What Starlette puts into its message.
TRACE = 'Traceback (most recent call last):\n  File "app.py", line 1, in lifespan\nValueError: oops'


@pytest.mark.parametrize("mode", MODES)
async def test_a_startup_that_fails_says_how(mode: LifespanMode) -> None:
    cases: list[tuple[ASGIApp, str, BaseException | None]] = [
        (receiving_then(None), "Expected the application to answer 'lifespan.startup', but it returned.", None),
        (receiving_then(OOPS), "'lifespan.startup', but it raised ValueError: oops.", OOPS),
        (answering("startup.failed", message="no database"), "startup failed: no database", None),
        (answering("startup.failed", message="no database", then=OOPS), "startup failed: no database", OOPS),
        (answering("startup.failed", message=TRACE, then=OOPS), "startup failed: ValueError: oops", OOPS),
        (answering("startup.failed", message=TRACE), f"startup failed: {TRACE}", None),
        (answering("startup.failed", message=""), "startup failed: it gave no message.", None),
        (answering("startup.failed"), "startup failed: it gave no message.", None),
    ]
    for app, text, cause in cases:
        lifespan = make_lifespan(app, mode)
        with pytest.raises(StartupFailed) as caught:
            await lifespan.startup()
        await lifespan.shutdown()
        assert str(caught.value).endswith(text)
        assert (caught.value.__cause__, lifespan.state) == (cause, None)


async def test_a_wrong_answer_to_startup_fails_the_startup() -> None:
    for answer in ("shutdown.complete", "nonsense"):
        with pytest.raises(StartupFailed) as caught:
            await make_lifespan(answering(answer), "auto").startup()
        assert type(caught.value.__cause__) is LifespanError
        assert f"but got 'lifespan.{answer}'" in str(caught.value.__cause__)


async def test_a_second_answer_is_an_error_in_the_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        with pytest.raises(LifespanError):
            await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    lifespan = make_lifespan(app, "auto")
    await lifespan.startup()
    await lifespan.shutdown()


async def test_an_application_that_waits_on_after_startup_failed_is_told_to_shut_down() -> None:
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        received.append(await receive())

    with pytest.raises(StartupFailed, match="no database"):
        await make_lifespan(app, "on").startup()
    assert received == [{"type": "lifespan.shutdown"}]


async def test_a_shutdown_that_fails_says_how() -> None:
    async def raises(scope: Scope, receive: Receive, send: Send) -> None:
        await answering("startup.complete")(scope, receive, send)
        await receive()
        raise OOPS

    cases: list[tuple[ASGIApp, str]] = [
        (answering("startup.complete", "shutdown.failed", message="still open", then=OOPS), "failed: still open"),
        (answering("startup.complete", "shutdown.complete", then=OOPS), "raised ValueError: oops"),
        (raises, "raised ValueError: oops"),
    ]
    for app, text in cases:
        lifespan = make_lifespan(app, "auto")
        await lifespan.startup()
        with pytest.raises(ShutdownFailed) as caught:
            await lifespan.shutdown()
        assert str(caught.value) == f"The application's shutdown {text}"
        assert caught.value.__cause__ is OOPS


async def test_a_cancellation_that_comes_from_inside_fails_the_step_and_says_so() -> None:
    error = asyncio.CancelledError()
    with pytest.raises(StartupFailed) as startup:
        await make_lifespan(receiving_then(error), "auto").startup()
    lifespan = make_lifespan(answering("startup.complete", "shutdown.complete", then=error), "on")
    await lifespan.startup()
    with pytest.raises(ShutdownFailed) as shutdown:
        await lifespan.shutdown()
    assert [type(each.value.__cause__) for each in (startup, shutdown)] == [ApplicationCancelled] * 2


async def test_an_application_may_end_its_lifespan_right_after_startup() -> None:
    lifespan = make_lifespan(answering("startup.complete"), "on")
    await lifespan.startup()
    await anyio.wait_all_tasks_blocked()
    assert not lifespan.is_lost
    await lifespan.shutdown()


async def test_a_failure_between_startup_and_shutdown_is_logged_immediately(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("background work")
    lifespan = make_lifespan(answering("startup.complete", then=error), "auto")
    await lifespan.startup()
    await anyio.wait_all_tasks_blocked()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "The application's lifespan failed between startup and shutdown.")
    ]
    with pytest.raises(ShutdownFailed) as caught:
        await lifespan.shutdown()
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt()], ids=repr)
async def test_what_is_not_an_exception_comes_out(error: BaseException) -> None:
    for app in (receiving_then(error), answering(then=error)):
        with pytest.raises(type(error)):
            await make_lifespan(app, "auto").startup()
    lifespan = make_lifespan(answering("startup.complete", "shutdown.complete", then=error), "auto")
    await lifespan.startup()
    with pytest.raises(type(error)):
        await lifespan.shutdown()


@BOTH
async def test_a_cancelled_startup_takes_the_application_along() -> None:
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    lifespan = make_lifespan(app, "auto")
    with anyio.move_on_after(0.01) as scope:
        await lifespan.startup()
    assert scope.cancelled_caught
    assert ended == [True]


async def test_a_cancelled_shutdown_takes_the_application_along() -> None:
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering("startup.complete", "shutdown.complete")(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    lifespan = make_lifespan(app, "auto")
    await lifespan.startup()
    with anyio.move_on_after(0.01) as scope:
        await lifespan.shutdown()
    assert scope.cancelled_caught
    assert ended == [True]


async def test_startup_and_shutdown_are_in_one_task_so_that_a_task_group_can_span_them() -> None:
    steps: list[str] = []

    async def worker() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("worker ended")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            tasks.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})
        steps.append("shut down")

    lifespan = make_lifespan(app, "on")
    await lifespan.startup()
    await anyio.wait_all_tasks_blocked()
    await lifespan.shutdown()
    assert steps == ["worker ended", "shut down"]


@BOTH
async def test_a_lifespan_is_lost_once_its_event_loop_has_ended(anyio_backend: str) -> None:
    lifespan = LifespanOn(Journal(), required=True)
    with ThreadPoolExecutor() as threads:  # In a thread, because here a loop is running.
        threads.submit(lambda: anyio.run(lifespan.startup, backend=anyio_backend)).result(timeout=30)
    assert lifespan.is_lost


@pytest.mark.parametrize("mode", MODES)
async def test_an_application_that_idles_after_startup_failed_is_cancelled_after_the_grace_period(
    mode: LifespanMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifespan_module, "FAILED_GRACE", 0.01)
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering("startup.failed", message="no database")(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    with pytest.raises(StartupFailed) as caught:
        await make_lifespan(app, mode).startup()
    assert str(caught.value) == "The application's startup failed: no database"
    assert ended == [True]
