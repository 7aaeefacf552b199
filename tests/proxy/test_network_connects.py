# Event loops


async def ask_twice(transport: SocketTransport) -> list[Answer]:
    return [await send(transport) for _ in range(2)]


@pytest.mark.parametrize("backends", [["asyncio"] * 3, ["trio"] * 3, ["asyncio", "trio", "asyncio"]])
def test_every_event_loop_has_connections_of_its_own_and_those_of_the_last_one_are_closed(backends: list[str]) -> None:
    with Origin(answering(OK)) as origin:
        transport = SocketTransport(port=origin.port, policy=ConnectionPolicy(idle_timeout=60))
        for number, backend in enumerate(backends):
            assert anyio.run(ask_twice, transport, backend=backend) == [OK_ANSWER] * 2
            assert [peer.gone.wait(LIMIT) for peer in origin.peers[:number]] == [True] * number
        anyio.run(transport.aclose)
        assert origin.peers[-1].gone.wait(LIMIT)
        assert origin.connections == len(backends)


def test_a_loop_that_ends_within_a_response_leaves_nothing_to_the_next_one() -> None:
    waiting = threading.Event()

    async def give_up(transport: SocketTransport) -> None:
        with anyio.move_on_after(0.05):
            await send(transport)

    def script(peer: Peer) -> None:
        peer.read_request()
        waiting.wait(LIMIT)
        peer.send(OK)

    with Origin(script) as origin:
        transport = SocketTransport(port=origin.port, policy=ConnectionPolicy(idle_timeout=60))
        anyio.run(give_up, transport)
        waiting.set()
        assert anyio.run(send, transport, make_request()) == OK_ANSWER
        anyio.run(transport.aclose)
        assert origin.connections == 2
