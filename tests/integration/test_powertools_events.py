"""Powertools' data classes, which its @event_source passes to a handler in place of the event."""

from typing import Any

from aws_lambda_powertools.utilities import data_classes

from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import JSON_RESPONSE, Answer, answer

DATA_CLASSES: dict[str, Any] = {
    "alb": data_classes.ALBEvent,
    "alb_multi": data_classes.ALBEvent,
    "function_url": data_classes.LambdaFunctionUrlEvent,
    "http_api_v1": data_classes.APIGatewayProxyEvent,
    "http_api_v2": data_classes.APIGatewayProxyEventV2,
    "rest_api": data_classes.APIGatewayProxyEvent,
    "vpc_lattice_v1": data_classes.VPCLatticeEvent,
    "vpc_lattice_v2": data_classes.VPCLatticeEventV2,
}


@every_case(("name", "data_class"), DATA_CLASSES.items())
def test_a_data_class_is_answered_like_its_event(name: str, data_class: Any) -> None:
    plain, app = Answer(**JSON_RESPONSE), Answer(**JSON_RESPONSE)
    event = data_class(load(name))
    assert answer(event, app) == answer(load(name), plain)
    assert app.scope["aws.event"] is event
    assert (app.body, app.scope | {"aws.event": None}) == (plain.body, plain.scope | {"aws.event": None})
