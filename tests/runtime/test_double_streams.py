"""The double of Lambda's APIs: streamed answers, as they arrive, slowly read, and cut off."""

import base64
import json
import select
import threading

import pytest

from tests.runtime.double import RuntimeDouble
from tests.runtime.double_client import NEXT, Client, chunk

ERROR = {"errorMessage": "no", "errorType": "ValueError", "stackTrace": []}
PRELUDE = b'{"statusCode": 200}' + bytes(8)
END = b"0\r\n\r\n"

# More than all buffers between the two sides hold.
MUCH = 16 << 20


def ending_with_error() -> bytes:
    document = base64.b64encode(json.dumps(ERROR).encode())
    return (
        b"0\r\nLambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n"
        b"Lambda-Runtime-Function-Error-Body: %b\r\n\r\n" % document
    )


def test_a_streamed_answer_has_a_prelude_and_a_payload(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + chunk(b"one") + chunk(b"two\0") + END)
        assert client.finish().status == 202
    answer = invocation.answer()
    assert (answer.kind, answer.is_streamed, answer.is_whole, answer.status) == ("response", True, True, 202)
    assert answer.prelude == {"statusCode": 200}
    assert answer.payload == b"onetwo\0"
    assert [data for _, data in answer.chunks] == [PRELUDE, b"one", b"two\0"]
    assert answer.error is None


def test_chunks_are_seen_as_they_arrive(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next())
        assert invocation.wait_for(0) == b""
        client.send(chunk(PRELUDE))
        assert invocation.wait_for(len(PRELUDE)) == PRELUDE
        client.send(b"3\r\non")
        assert invocation.wait_for(lambda body: body.endswith(b"on")) == PRELUDE + b"on"
        client.send(b"e\r\n")
        assert invocation.wait_for(lambda body: body.endswith(b"one")) == PRELUDE + b"one"
        with pytest.raises(TimeoutError, match=r"a response that did not end, 30 bytes so far"):
            invocation.wait_for(100, timeout=0)
        with pytest.raises(TimeoutError, match=r"a response that did not end, 30 bytes so far, after 0 s"):
            invocation.answer(0)
        client.send(END)
        client.finish()
        with pytest.raises(EOFError, match=r"was answered with <response: 30 bytes, whole, status 202>"):
            invocation.wait_for(100)
    assert [data for _, data in invocation.answer().chunks] == [PRELUDE, b"one"]


def test_an_answer_may_stream_without_prelude(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next(), Content_Type="text/plain")
        client.send(chunk(b"text") + END)
        client.finish()
    answer = invocation.answer()
    assert (answer.is_streamed, answer.has_prelude, answer.body) == (True, False, b"text")
    with pytest.raises(ValueError, match="there are no 8 NUL bytes in b'text'"):
        _ = answer.payload


def test_an_error_stands_in_the_trailers(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + ending_with_error())
        client.finish()
    answer = invocation.answer()
    assert answer.is_whole
    assert answer.error == ERROR
    assert answer.trailers["lambda-runtime-function-error-type"] == "Runtime.StreamError"
    assert answer.trailers.keys() == {"lambda-runtime-function-error-type", "lambda-runtime-function-error-body"}


def test_a_stream_may_be_larger_than_a_result(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + chunk(bytes(20 << 20)) + END)
        assert client.finish().status == 202
    assert len(invocation.answer().payload) == 20 << 20


@pytest.mark.parametrize("leave", [Client.close, Client.reset])
def test_a_stream_that_is_broken_off_is_not_whole(api: RuntimeDouble, leave) -> None:  # type: ignore[no-untyped-def]
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + b"5\r\nhal")
        invocation.wait_for(len(PRELUDE) + 3)
        leave(client)
    answer = invocation.answer()
    assert (answer.is_whole, answer.payload, answer.status) == (False, b"hal", 0)


# Slow readers


def send_until_it_stalls(client: Client) -> int:
    """How much of a chunk the other side takes."""
    data, sent = bytes(1 << 20), 0
    client.socket.setblocking(False)
    while select.select([], [client.socket], [], 0.2)[1]:
        try:
            sent += client.socket.send(data[: MUCH - sent])
        except BlockingIOError:
            continue
    client.socket.settimeout(10)
    return sent


@pytest.mark.parametrize("api_options", [{}, {"receive_buffer": 8192}], ids=["default", "small"])
def test_who_stops_reading_is_felt_by_the_sender(api: RuntimeDouble) -> None:
    invocation = api.invoke(1, stop_reading_after=len(PRELUDE) + 1000)
    with Client(api, send_buffer=64 * 1024) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + b"%x\r\n" % MUCH)
        sent = send_until_it_stalls(client)
        assert 1000 <= sent < 1 << 20
        assert invocation.wait_for(len(PRELUDE) + 1000) == PRELUDE + bytes(1000)
        invocation.go_on()
        client.send(bytes(MUCH - sent) + b"\r\n" + END)
        assert client.finish().status == 202
    answer = invocation.answer()
    assert [len(data) for _, data in answer.chunks] == [len(PRELUDE), MUCH]


def test_reading_may_stop_before_the_first_byte(api: RuntimeDouble) -> None:
    invocation = api.invoke(1, stop_reading_after=0)
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + END)
        assert invocation.wait_for(0) == b""
        invocation.go_on()
        client.finish()
    assert invocation.answer().body == PRELUDE


def test_reading_does_not_stop_where_it_was_told_to_go_on_before(api: RuntimeDouble) -> None:
    invocation = api.invoke(1, stop_reading_after=1)
    invocation.go_on()
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE) + END)
        client.finish()
    assert invocation.answer().body == PRELUDE


# Ends that the double makes


@pytest.mark.parametrize("stop_reading_after", [None, 1], ids=["reading", "stopped"])
def test_a_caller_that_hangs_up_resets_the_connection(api: RuntimeDouble, stop_reading_after: int | None) -> None:
    invocation = api.invoke(1, stop_reading_after=stop_reading_after)
    with Client(api) as client, Client(api) as other:
        client.stream(client.next())
        client.send(chunk(PRELUDE))
        invocation.wait_for(1)
        invocation.hang_up()
        with pytest.raises(ConnectionResetError):
            client.finish()
        other.start("GET", NEXT)  # nothing else ends
        api.wait_for_polls(1)
    answer = invocation.answer()
    assert (answer.is_whole, answer.body) == (False, PRELUDE)


def test_nobody_can_hang_up_where_no_answer_is_coming(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with pytest.raises(RuntimeError, match=f"no answer is coming: invocation {invocation.request_id} was never handed"):
        invocation.hang_up()
    with Client(api) as client:
        client.respond(client.next(), 1)
    invocation.answer()
    with pytest.raises(RuntimeError, match="no answer is coming"):
        invocation.answer_early(500)


@pytest.mark.parametrize("stop_reading_after", [None, 1], ids=["reading", "stopped"])
def test_an_answer_may_be_answered_before_its_end(api: RuntimeDouble, stop_reading_after: int | None) -> None:
    invocation = api.invoke(1, stop_reading_after=stop_reading_after)
    with Client(api) as client, Client(api) as other:
        client.stream(client.next())
        client.send(chunk(PRELUDE))
        invocation.wait_for(1)
        invocation.answer_early(410)
        reply = client.finish()
        assert (reply.status, reply.headers["connection"]) == (410, "close")
        assert json.loads(reply.body) == {"errorMessage": "Invoke timeout", "errorType": "InvokeTimeout"}
        other.start("GET", NEXT)
        api.wait_for_polls(1)
        invocation.go_on()
        client.send(chunk(b"more"))
    answer = invocation.answer()
    assert (answer.is_whole, answer.payload, answer.status) == (False, b"more", 410)


def test_an_answer_that_was_answered_early_may_come_to_its_end(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.stream(client.next())
        client.send(chunk(PRELUDE))
        invocation.wait_for(1)
        invocation.answer_early(413, "TooLarge", "Too large.")
        client.send(END)
        reply = client.finish()
        assert json.loads(reply.body) == {"errorMessage": "Too large.", "errorType": "TooLarge"}
        assert client.is_closed()
    answer = invocation.answer()
    assert (answer.is_whole, answer.payload, answer.status) == (True, b"", 413)


def test_a_stopped_reader_does_not_hold_up_the_end() -> None:
    with RuntimeDouble() as api:
        invocation = api.invoke(1, stop_reading_after=0, may_stay_unanswered=True)
        with Client(api) as client:
            client.stream(client.next())
            invocation.wait_for(0)
            api.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "runtime double"]
