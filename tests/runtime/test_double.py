"""The double of Lambda's APIs with another client than ours: what it gives out, and how it takes whole answers."""

import json
import socket
import threading
import time
import warnings

import pytest

from tests.runtime.double import ARN, PAYLOAD_LIMIT, RuntimeDouble
from tests.runtime.double_client import CLOSED, NEXT, Client

ERROR = {"errorMessage": "no", "errorType": "ValueError", "stackTrace": ["line 1"]}


def test_an_event_is_handed_out_and_its_answer_comes_back(api: RuntimeDouble) -> None:
    invocation = api.invoke({"key": "é"}, trace_id="Root=1")
    before = time.time()
    with Client(api) as client:
        event = client.next()
        assert event.status == 200
        assert json.loads(event.body) == {"key": "é"}
        deadline = int(event.headers.pop("lambda-runtime-deadline-ms"))
        assert event.headers == {
            "lambda-runtime-aws-request-id": invocation.request_id,
            "lambda-runtime-trace-id": "Root=1",
            "lambda-runtime-invoked-function-arn": ARN,
            "content-type": "application/json",
            "content-length": str(len(event.body)),
        }
        assert before + 30 <= invocation.deadline <= time.time() + 30
        assert deadline == int(invocation.deadline * 1000)
        assert client.respond(event, {"answer": 42}).status == 202
    answer = invocation.answer()
    assert (answer.kind, answer.json, answer.is_whole, answer.status) == ("response", {"answer": 42}, True, 202)
    assert not answer.is_streamed
    assert [data for _, data in answer.chunks] == [b'{"answer": 42}']
    assert answer.trailers == {}
    assert answer.error is None
    assert invocation.handed_out_at <= answer.started_at <= answer.chunks[0][0] <= answer.ended_at


def test_everything_about_an_invocation_is_a_header(api: RuntimeDouble) -> None:
    api.invoke(
        b"\xff",
        client_context={"custom": {}},
        identity='{"cognitoIdentityId": "i"}',
        tenant_id="blue",
        invocation_id="i-1",
        arn="arn:other",
        content_type="text/plain",
        trace_id="",
        headers=[("X-More", "1")],
        may_stay_unanswered=True,
    )
    with Client(api) as client:
        event = client.next()
    assert event.body == b"\xff"
    for name in ("lambda-runtime-aws-request-id", "lambda-runtime-deadline-ms", "content-length"):
        del event.headers[name]
    assert event.headers == {
        "lambda-runtime-client-context": '{"custom": {}}',
        "lambda-runtime-cognito-identity": '{"cognitoIdentityId": "i"}',
        "lambda-runtime-aws-tenant-id": "blue",
        "lambda-runtime-invocation-id": "i-1",
        "lambda-runtime-invoked-function-arn": "arn:other",
        "content-type": "text/plain",
        "x-more": "1",
    }


def test_each_invocation_has_a_trace_id_of_its_own(api: RuntimeDouble) -> None:
    traces = set()
    for _ in range(2):
        api.invoke(1, may_stay_unanswered=True)
        with Client(api) as client:
            traces.add(client.next().headers["lambda-runtime-trace-id"])
    assert len(traces) == 2


def test_an_event_may_come_in_chunks(api: RuntimeDouble) -> None:
    api.invoke(b"a long event", chunk_size=5, may_stay_unanswered=True)
    with Client(api) as client:
        event = client.next()
    assert event.body == b"a long event"
    assert event.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in event.headers


def test_a_poll_waits_for_an_event(api: RuntimeDouble) -> None:
    with Client(api) as client:
        assert api.open_polls == 0
        client.start("GET", NEXT)
        api.wait_for_polls(1)
        assert api.open_polls == 1
        invocation = api.invoke(1)
        assert api.open_polls == 0
        client.respond(client.finish(), 2)
    assert invocation.answer().json == 2


def test_the_oldest_event_goes_to_the_oldest_poll(api: RuntimeDouble) -> None:
    with Client(api) as first, Client(api) as second:
        for number, client in enumerate((first, second)):
            client.start("GET", NEXT)
            api.wait_for_polls(number + 1)
        invocations = [api.invoke(number) for number in range(3)]
        for client in (first, second):
            event = client.finish()
            client.respond(event, json.loads(event.body))
        event = second.next()
        second.respond(event, json.loads(event.body))
    assert [each.answer().json for each in invocations] == [0, 1, 2]


def test_a_poll_whose_client_has_left_gets_no_event(api: RuntimeDouble) -> None:
    with Client(api) as gone, Client(api) as client:
        gone.start("GET", NEXT)
        api.wait_for_polls(1)
        gone.close()
        assert api.open_polls == 0
        invocation = api.invoke(1)
        client.respond(client.next(), 2)
    assert invocation.answer().json == 2


def test_a_large_event_does_not_hold_up_the_thread_that_reads_it_later(api: RuntimeDouble) -> None:
    with Client(api) as client:
        client.start("GET", NEXT)
        api.wait_for_polls(1)
        invocation = api.invoke("x" * PAYLOAD_LIMIT)
        event = client.finish()
        assert len(event.body) == PAYLOAD_LIMIT + 2
        client.respond(event, len(event.body))
    assert invocation.answer().json == PAYLOAD_LIMIT + 2


def test_an_error_is_an_answer(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        assert client.fail(client.next(), ERROR, {"X-More": "a"}).status == 202
    answer = invocation.answer()
    assert (answer.kind, answer.json, answer.error, answer.is_whole) == ("error", ERROR, ERROR, True)
    assert answer.headers["x-more"] == "a"


def test_the_answer_may_come_over_another_connection(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as first, Client(api) as second:
        second.respond(first.next(), 2)
        first.start("GET", NEXT)
        api.wait_for_polls(1)
    assert invocation.answer().json == 2


def test_the_invocation_id_is_given_back(api: RuntimeDouble) -> None:
    invocation = api.invoke(1, invocation_id="i-1")
    with Client(api) as client:
        client.respond(client.next(), 2, {"Lambda-Runtime-Invocation-Id": "i-1"})
    assert invocation.answer().json == 2


def test_an_answer_that_nobody_gives_is_not_waited_for_longer_than_told(api: RuntimeDouble) -> None:
    invocation = api.invoke(1, may_stay_unanswered=True)
    with pytest.raises(TimeoutError, match="never handed out, after 0 s"):
        invocation.answer(0)
    with Client(api) as client:
        client.next()
        with pytest.raises(TimeoutError, match="was handed out, and never answered, after 0 s"):
            invocation.answer(0)


def test_the_next_answer_may_be_refused_after_it_was_read(api: RuntimeDouble) -> None:
    api.refuse_next_answer(500, "Broken", "Try again.")
    refused, taken = api.invoke(1), api.invoke(2)
    with Client(api) as client:
        reply = client.respond(client.next(), "x" * 1_000_000)
        assert (reply.status, json.loads(reply.body)) == (500, {"errorMessage": "Try again.", "errorType": "Broken"})
        assert client.respond(client.next(), 2).status == 202
    answer = refused.answer()
    assert (answer.size, answer.is_whole, answer.status) == (1_000_002, True, 500)
    assert taken.answer().status == 202


def test_a_refused_answer_may_be_followed_by_another_one_if_it_is_not_final(api: RuntimeDouble) -> None:
    api.refuse_next_answer(400, is_final=False)
    invocation = api.invoke(1)
    with Client(api) as client:
        event = client.next()
        assert client.respond(event, 1).status == 400
        assert client.fail(event, ERROR).status == 202
    assert invocation.answer().kind == "error"


def test_a_late_answer_gets_410(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        event = client.next()
        invocation.expire()
        reply = client.respond(event, 1)
        expected = {"errorMessage": "Invoke timeout", "errorType": "InvokeTimeout"}
        assert (reply.status, json.loads(reply.body)) == (410, expected)
    assert invocation.answer().status == 410


def test_an_invocation_that_expired_need_not_be_answered(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        client.next()
        invocation.expire()
        client.start("GET", NEXT)
        api.wait_for_polls(1)


def test_an_answer_that_is_broken_off_is_not_whole(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        path = f"/2018-06-01/runtime/invocation/{client.next().request_id}/response"
        client.start("POST", path, {"Content-Length": "10"})
        client.send(b"half")
    answer = invocation.answer()
    assert (answer.body, answer.is_whole, answer.status) == (b"half", False, 0)


def test_a_client_may_ask_before_it_sends_a_body(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        path = f"/2018-06-01/runtime/invocation/{client.next().request_id}/response"
        client.start("POST", path, {"Content-Length": "1", "Expect": "100-continue"})
        assert client.socket.recv(100).startswith(b"HTTP/1.1 100 ")
        client.send(b"2")
        assert client.finish().status == 202
    assert invocation.answer().json == 2


def test_every_request_is_logged_with_its_connection(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as first, Client(api) as second:
        event = first.next()
        second.respond(event, 1, {"X-More": "a"})
    path = f"/2018-06-01/runtime/invocation/{invocation.request_id}/response"
    assert [request[:3] for request in api.requests] == [(1, "GET", NEXT), (2, "POST", path)]
    assert api.requests[1].headers == {"host": api.address, "content-length": "1", "x-more": "a"}
    assert api.requests[0].at <= api.requests[1].at
    assert api.wait_for_request(path) is api.requests[1]
    with pytest.raises(TimeoutError, match=f"No sign of request 2 for {path} within 0 s"):
        api.wait_for_request(path, 2, timeout=0)


def test_idle_connections_are_closed_and_others_are_not(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as busy, Client(api) as idle, Client(api) as polling:
        idle.respond(busy.next(), 1)
        invocation.answer()
        busy.start("POST", "/2018-06-01/runtime/init/error", {"Content-Length": "1"})
        polling.start("GET", NEXT)
        api.wait_for_polls(1)
        api.wait_for_request("/2018-06-01/runtime/init/error")
        assert api.drop_connections() == 1
        assert idle.is_closed()
        assert api.open_polls == 1
        assert api.drop_connections(polls=True) == 1
        with pytest.raises(ConnectionResetError):
            polling.finish()
        assert api.open_polls == 0


def test_an_api_that_stops_resets_every_connection_and_refuses_new_ones(api: RuntimeDouble) -> None:
    api.invoke(1)
    with Client(api) as polling, Client(api) as working:
        working.next()
        polling.start("GET", NEXT)
        api.wait_for_polls(1)
        api.stop()
        assert api.open_connections == 0
        with pytest.raises(ConnectionResetError):
            polling.finish()
        with pytest.raises(CLOSED):
            working.ask("GET", NEXT)
    with pytest.raises(ConnectionRefusedError):
        Client(api)
    api.stop()


def test_an_api_that_stops_does_not_wait_for_a_client_that_does_not_read(api: RuntimeDouble) -> None:
    with Client(api) as client:
        client.start("GET", NEXT)
        api.wait_for_polls(1)
        api.invoke(bytes(64 << 20))
        api.stop()


def test_connections_are_counted_and_their_end_is_awaited(api: RuntimeDouble) -> None:
    with Client(api) as first, Client(api) as second:
        for count, client in enumerate((first, second)):
            client.start("GET", NEXT)
            api.wait_for_polls(count + 1)
        assert api.open_connections == 2
        first.reset()
        assert api.open_connections == 1
    api.wait_until_left()
    assert api.open_connections == 0


def test_what_was_seen_of_an_invocation_may_be_released(api: RuntimeDouble) -> None:
    invocation = api.invoke(1)
    with Client(api) as client:
        event = client.next()
        client.respond(event, 2)
        answer = invocation.answer()
        invocation.release()
        assert (invocation.event, answer.body, answer.size, answer.status) == (b"", b"", 1, 202)
        assert client.respond(event, 3).status == 400
    assert len(api.take_violations()) == 1


def test_many_slots_at_once_lose_nothing(api: RuntimeDouble) -> None:
    def run() -> None:
        with Client(api) as client:
            for _ in range(50):
                event = client.next()
                client.respond(event, json.loads(event.body))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    invocations = [api.invoke(number) for number in range(400)]
    assert [each.answer().json for each in invocations] == list(range(400))
    for thread in threads:
        thread.join()


def test_nothing_is_left_behind() -> None:
    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with RuntimeDouble() as api:
            address = api.address.split(":")
            sockets = [socket.create_connection((address[0], int(address[1]))) for _ in range(3)]
            with Client(api) as client:
                client.start("GET", NEXT)
                api.wait_for_polls(1)
        for sock in sockets:
            sock.close()
        del api
    assert threading.active_count() == before
