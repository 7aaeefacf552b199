"""Round trips client -> service -> function -> service -> client, compared with a real server.

The tables state every difference exactly, with its reason; any other difference is a fault.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from bridge.testing.messages import ClientRequest, Headers, by_name
from tests.cases import every_case
from tests.integration.answers_table import ANSWERS, Answer
from tests.integration.echo_app import Report, report_of
from tests.integration.fidelity import PAGE, render
from tests.integration.losses import ALL, Loss, Reason
from tests.integration.peers import Peers
from tests.integration.requests_table import HOST, REQUESTS, Case
from tests.integration.services import SERVICES, Service

# The service itself changes something, and says so. All else is a difference between event and request, or of bridge.
OF_THE_SERVICE = {Reason.REMAPPED, Reason.DROPPED_HEADER}

every_service = pytest.mark.parametrize("service", SERVICES, ids=[service.id for service in SERVICES])


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    peers = Peers()
    yield peers
    peers.close()


@every_service
@every_case("case", REQUESTS)
def test_the_application_sees_what_a_real_server_shows_it(peers: Peers, case: Case, service: Service) -> None:
    direct = peers.over_socket(case.request, service.stage)
    request = replace(case.request, target=service.stage + case.request.target)

    response = peers.through_bridge(service, request)

    losses = at(service, case.losses)
    if any(loss.refused for loss in losses):
        (loss,) = losses
        assert (direct.status, response.status) == (200, loss.refused)
        return
    assert response.reasons == ()
    assert response.status == direct.status == 200
    expected = with_losses(report_of(direct), service, service.added(request), losses)
    assert by_header(report_of(response)) == by_header(expected)


@every_service
@every_case("answer", ANSWERS)
def test_the_client_gets_what_a_real_server_sends(peers: Peers, answer: Answer, service: Service) -> None:
    request = ClientRequest(method=answer.method, target=answer.target, headers=(HOST,))
    direct = peers.over_socket(request, service.stage)

    response = peers.through_bridge(service, replace(request, target=service.stage + request.target))

    losses = at(service, answer.losses)
    if any(loss.refused for loss in losses):
        (loss,) = losses
        assert (direct.status, response.status) == (200, loss.refused)
        return
    assert bool(response.reasons) == any(loss.why in OF_THE_SERVICE for loss in losses), response.reasons
    expected = replace(direct, headers=changed(direct.headers, losses))
    assert replace(response, headers=()) == replace(expected, headers=())
    assert by_name(response.headers) == by_name(expected.headers)


def at(service: Service, losses: Iterable[Loss]) -> list[Loss]:
    return [loss for loss in losses if service.id in loss.at]


def with_losses(report: Report, service: Service, added: Headers, losses: Iterable[Loss]) -> Report:
    """Return the report that is expected at `service`. Raises AssertionError if a loss changes nothing."""
    expected: Report = {**report, "scheme": "https", "headers": changed((*report["headers"], *added), losses)}
    for loss in losses:
        fields = {
            name: service.stage + str(value) if name in ("path", "raw_path") else value
            for name, value in loss.fields.items()
        }
        assert all(value != dict(expected)[name] for name, value in fields.items()), f"{loss} is none"
        expected.update(fields)  # type: ignore[typeddict-item]
    return expected


def changed(headers: Headers, losses: Iterable[Loss]) -> Headers:
    """`headers` with what the losses take away and put in. AssertionError for a loss that is none."""
    rest = [(name.lower(), value) for name, value in headers]
    for loss in losses:
        before = by_name(rest)
        for pair in loss.gone:
            assert pair in rest, f"{loss}: {pair} was not sent"
            rest.remove(pair)
        rest += loss.new
        assert loss.fields or loss.refused or by_name(rest) != before, f"{loss} is none"
    return tuple(rest)


def by_header(report: Report) -> dict[str, object]:
    """Return a report whose headers compare as they should: all of them, in any order but that within one name."""
    return {**report, "headers": by_name(report["headers"])}


_SENT: Headers = (("x-tag", "one"), ("host", "app.example.com"))


@every_case(
    "loss",
    [
        Loss(why=Reason.LAST_HEADER, at=ALL),
        Loss(why=Reason.LAST_HEADER, at=ALL, gone=(("x-tag", "two"),)),
        Loss(why=Reason.LAST_HEADER, at=ALL, gone=(("x-tag", "one"),), new=(("x-tag", "one"),)),
    ],
)
def test_a_stated_loss_of_headers_has_to_be_one(loss: Loss) -> None:
    with pytest.raises(AssertionError):
        changed(_SENT, [loss])


def test_a_stated_loss_of_a_field_has_to_be_one(peers: Peers) -> None:
    service = SERVICES[0]
    request = ClientRequest(method="GET", target="/a", headers=(HOST,))
    report = report_of(peers.over_socket(request, service.stage))

    with pytest.raises(AssertionError):
        with_losses(report, service, (), [Loss(why=Reason.DECODED_PATH, at=ALL, fields={"raw_path": "/a"})])


def test_every_reason_is_given_somewhere() -> None:
    rows: list[Case | Answer] = [*REQUESTS, *ANSWERS]
    given = {loss.why for row in rows for loss in row.losses}

    assert given == set(Reason)


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.integration.fidelity` writes docs/fidelity.md anew."""
    assert PAGE.read_text(encoding="utf-8") == render()
