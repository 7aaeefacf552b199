"""A CloudFormation or SAM template as a document: YAML with CloudFormation's tags, or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

__all__ = ["InvalidTemplate", "read_document"]


class InvalidTemplate(Exception):
    """Raised for a template without the function that is asked for, or that is not one at all."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """YAML whose tags become the long form of CloudFormation's functions."""


def _construct(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _construct)
# A date is text to CloudFormation: AWSTemplateFormatVersion: 2010-09-09.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_document(path: str) -> dict[str, Any]:
    """Return the template in a file. Raises InvalidTemplate, which says the line, and OSError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        document = json.loads(text) if text.lstrip().startswith("{") and path.endswith(".json") else _parsed(text)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        kind = "JSON" if path.endswith(".json") else "YAML"
        raise InvalidTemplate(f"{path} is not {kind}: {exc}") from None
    if not isinstance(document, dict):
        raise InvalidTemplate(f"Expected a SAM template in {path}, but got {type(document).__name__}.")
    return document


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
