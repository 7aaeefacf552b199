"""How the tables say that something does not arrive as it was sent: where, what comes instead, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .exchange import Headers
from .services import SERVICES

__all__ = ["ALL", "Loss", "Reason", "but", "gone"]


class Reason(Enum):
    """Why; the name is the heading in docs/fidelity.md, the value its text."""

    TODO = ""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One difference, in one row, at some services. Whatever it does not name arrives as it was sent.

    `fields`: what comes instead in the fields of the report (or of the response: status, body). `gone` and `new`:
    headers that do not arrive, and headers that nobody sent. A stage is not part of `path` and `raw_path` here.
    """

    why: Reason
    at: tuple[str, ...]
    fields: Mapping[str, object] = field(default_factory=dict)
    gone: Headers = ()
    new: Headers = ()


ALL = tuple(service.id for service in SERVICES)


def but(*services: str) -> tuple[str, ...]:
    """Every service but these."""
    return tuple(name for name in ALL if name not in services)
