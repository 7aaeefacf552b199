"""A table of DynamoDB on loopback, with as much of its API as Powertools' idempotency needs."""

import json
from email.message import Message
from typing import Any

from tests.integration.instrumentation.loopback import LoopbackServer

__all__ = ["Table"]

Item = dict[str, dict[str, str]]


class Table(LoopbackServer):
    """Items by their key `id`. A conditional PutItem fails if the item exists: no test is about expired ones."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, Item] = {}

    def answer(self, path: str, headers: Message, body: bytes) -> tuple[int, bytes]:
        status, document = self._answer(headers["X-Amz-Target"].partition(".")[2], json.loads(body))
        return status, json.dumps(document).encode()

    def _answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "PutItem":
            key = request["Item"]["id"]["S"]
            if key in self.items:
                return 400, {"__type": "ConditionalCheckFailedException", "Item": self.items[key]}
            self.items[key] = request["Item"]
            return 200, {}
        key = request["Key"]["id"]["S"]
        if operation == "UpdateItem":
            names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
            self.items[key] |= {name: values[f":{place[1:]}"] for place, name in names.items()}
            return 200, {}
        return 200, {"Item": self.items[key]} if key in self.items else {}
