"""A Proxy under the runtime: near the deadline the runtime alone answers, and the log names the request."""

from collections.abc import Callable
from typing import Any

from bridge import Proxy
from tests.proxy.origins import OK, Origin, Peer
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import Logged, Slots

MakeEvent = Callable[..., dict[str, Any]]

# Seconds to the deadline: time enough for the request to reach the web server, on any machine.
SOON_ENOUGH = 1.0


def test_a_request_without_an_answer_is_one_504_and_the_next_one_is_answered(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    def script(peer: Peer) -> None:
        while True:
            if b"/hang" in peer.read_request().line:
                peer.wait_until_gone()
            peer.send(OK)

    with Origin(script) as origin:
        running = slots.on_loop(Proxy(url=f"http://127.0.0.1:{origin.port}"), count=1)
        hanging = api.invoke(make_event("POST", "/hang"), deadline=SOON_ENOUGH)
        assert hanging.answer().json["statusCode"] == 504
        assert api.invoke(make_event()).answer().json["statusCode"] == 200
        running.end()
    lines = [text for _, text in logged() if "deadline" in text]
    assert len([text for text in lines if text.startswith("POST /hang: ")]) == 1
    assert len(lines) == 2  # the other one is the runtime's, with the stack
