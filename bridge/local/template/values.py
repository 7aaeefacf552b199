"""The values in a CloudFormation template, as far as they are known without a deployment.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
The short form of a function (!Ref Queue) is read as its long one ({"Ref": "Queue"}), which JSON has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.testing.setup import ACCOUNT

__all__ = ["Unknown", "Values", "mapping_of"]

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html: those that are the
# same in every deployment. The account and the region are the gateway's own.
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}

_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")


@dataclass(frozen=True)
class Unknown:
    """A value that only a deployment has. `resource`: the logical id of the resource that it is about, or ""."""

    text: str
    resource: str = ""


class _NoValue:
    """AWS::NoValue: what has it is not there."""


class _Missing(Exception):
    """Raised for a function whose value is not known."""


def mapping_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Values:
    """The parameters, mappings and conditions of a template. A parameter has its default."""

    def __init__(self, document: Mapping[str, Any], *, region: str) -> None:
        self._parameters = mapping_of(document.get("Parameters"))
        self._mappings = mapping_of(document.get("Mappings"))
        self._conditions = mapping_of(document.get("Conditions"))
        self._pseudo = {**_PSEUDO, "AWS::Region": region}
        self._open: set[str] = set()
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self.condition,
            "Fn::And": lambda values: all(map(self._known, values)),
            "Fn::Equals": lambda values: self._known(values[0]) == self._known(values[1]),
            "Fn::FindInMap": self._find_in_map,
            "Fn::If": lambda values: self.resolve(values[1 if self.condition(values[0]) else 2]),
            "Fn::Join": lambda values: str(values[0]).join(map(str, self._known(values[1]))),
            "Fn::Not": lambda values: not self._known(values[0]),
            "Fn::Or": lambda values: any(map(self._known, values)),
            "Fn::Select": lambda values: self._known(values[1])[int(self._known(values[0]))],
            "Fn::Split": lambda values: str(self._known(values[1])).split(values[0]),
            "Fn::Sub": self._sub,
        }

    def resolve(self, value: Any) -> Any:
        """Return a value with all functions in it computed; Unknown for one that cannot be."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if not isinstance(item, _NoValue)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in self._functions or str(name).startswith("Fn::"):
                return self._called(str(name), argument)
        found = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if not isinstance(item, _NoValue)}

    def _called(self, name: str, argument: Any) -> Any:
        try:
            return self._functions[name](argument)
        except (_Missing, KeyError, IndexError, TypeError, ValueError):
            return Unknown(f"{name.removeprefix('Fn::')} {argument}", _resource_of(argument))

    def condition(self, name: str) -> bool:
        """Return whether a condition holds. Raises KeyError for an unknown one, and ValueError for one in a circle."""
        if name in self._open:
            raise ValueError(f"The condition {name} needs itself.")
        self._open.add(name)
        try:
            return bool(self._known(self._conditions[name]))
        finally:
            self._open.discard(name)

    def holds(self, name: object) -> bool:
        """Return whether a resource with this condition exists: also if that is not known."""
        try:
            return name is None or self.condition(str(name))
        except (_Missing, KeyError, ValueError):
            return True

    def _known(self, value: Any) -> Any:
        found = self.resolve(value)
        if isinstance(found, Unknown) or (isinstance(found, list) and any(isinstance(x, Unknown) for x in found)):
            raise _Missing
        return found

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NoValue()
        if name in self._pseudo:
            return self._pseudo[name]
        parameter = mapping_of(self._parameters.get(name))
        kind = str(parameter.get("Type", ""))
        if "Default" not in parameter or kind.startswith("AWS::SSM::"):  # then the default is the name of a value
            raise _Missing
        default = parameter["Default"]
        return str(default).split(",") if kind in ("CommaDelimitedList", "List<Number>") else default

    def _find_in_map(self, keys: list[Any]) -> Any:
        found: Any = self._mappings
        for key in keys[:3]:
            found = found[str(self._known(key))]
        return self.resolve(found)

    def _sub(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def value_of(match: re.Match[str]) -> str:
            is_literal, name = match.groups()
            if is_literal:
                return f"${{{name}}}"
            return str(self._known(own.get(name, {"Ref": name})))

        return _VARIABLE.sub(value_of, text)


def _resource_of(argument: Any) -> str:
    """Return the logical id in the argument of Ref or Fn::GetAtt, such as "Table" of "Table.Arn"."""
    first = argument[0] if isinstance(argument, list) and argument else argument
    return first.partition(".")[0] if isinstance(first, str) else ""
