"""A SAM or CloudFormation template: the function in it, and the services in front of that.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-function.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.local.template.document import InvalidTemplate, read_document
from bridge.local.template.image import image_of
from bridge.local.template.sources import TemplateSource, sources_of
from bridge.local.template.values import Unknown, Values, mapping_of
from bridge.testing.setup import REGION

__all__ = ["Template", "read_template"]

# With its code in the first property, and in the other one.
_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Lambda::Function": "Code"}

# https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html: the
# defaults of a function, in MB and seconds.
_MEMORY, _TIMEOUT = 128, 3


@dataclass(frozen=True, kw_only=True)
class Template:
    """One function. `handler`: "" if the template does not say it. `skipped`: the variables that only a deployment has.

    `notes`: one sentence for each thing that the gateway does not do.
    """

    name: str
    handler: str
    folder: str
    environ: Mapping[str, str]
    timeout: float
    memory: int
    is_streamed: bool
    sources: tuple[TemplateSource, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_template(path: str, function: str | None = None, *, region: str = REGION) -> Template:
    """Return the function called `function` in the template, or its only one. Raises InvalidTemplate, and OSError.

    `region`: the value of AWS::Region.
    """
    document = read_document(path)
    values = Values(document, region=region)
    resources = {
        name: mapping_of(values.resolve(each))
        for name, each in mapping_of(document.get("Resources")).items()
        if values.holds(mapping_of(each).get("Condition"))
    }
    shared = mapping_of(values.resolve(document.get("Globals")))
    name = _name(path, [key for key, each in resources.items() if each.get("Type") in _CODE], function)
    return _template(path, name, resources, shared)


def _name(path: str, names: list[str], function: str | None) -> str:
    known = ", ".join(names) or "none"
    if function is None and len(names) != 1:
        raise InvalidTemplate(f"Expected one function in {path}, but it has {known}. Name one with --function.")
    name = names[0] if function is None else function
    if name not in names:
        raise InvalidTemplate(f"Expected a function called {name!r} in {path}, but it has {known}.")
    return name


def _template(path: str, name: str, resources: dict[str, Any], shared: dict[str, Any]) -> Template:
    resource = resources[name]
    is_serverless = resource["Type"] == "AWS::Serverless::Function"
    own = mapping_of(resource.get("Properties"))
    properties = _merged(mapping_of(shared.get("Function")), own) if is_serverless else own
    _check_runtime(name, properties)
    notes = list(_notes(properties))
    sources = sources_of(name, properties, resources, shared, notes)
    handler, folder = image_of(path, resource, properties) or (
        _text(properties.get("Handler")),
        _folder(path, name, properties.get(_CODE[resource["Type"]])),
    )
    variables = mapping_of(mapping_of(properties.get("Environment")).get("Variables"))
    return Template(
        name=name,
        handler=handler,
        folder=folder,
        environ={key: _value(value) for key, value in variables.items() if not _is_unknown(value)},
        timeout=float(_number(name, properties, "Timeout", _TIMEOUT)),
        memory=int(_number(name, properties, "MemorySize", _MEMORY)),
        is_streamed=any(source.is_streamed for source in sources),
        sources=sources,
        skipped=tuple(key for key, value in variables.items() if _is_unknown(value)),
        notes=tuple(notes),
    )


def _check_runtime(name: str, properties: dict[str, Any]) -> None:
    runtime = properties.get("Runtime")
    if isinstance(runtime, str) and not runtime.startswith(("python", "provided")):
        raise InvalidTemplate(f"The function {name} has the runtime {runtime}, and the gateway runs Python alone.")


def _notes(properties: dict[str, Any]) -> list[str]:
    notes = []
    if properties.get("Layers"):
        notes.append("The layers of the function are not there: install what is in them.")
    if mapping_of(properties.get("SnapStart")).get("ApplyOn") == "PublishedVersions":
        notes.append("The function has SnapStart: --snapstart takes a snapshot here, too.")
    return notes


def _folder(path: str, name: str, code: Any) -> str:
    """Return the folder of the code. Raises InvalidTemplate if it is not on this machine."""
    if isinstance(code, dict) and isinstance(code.get("ZipFile"), str):
        raise InvalidTemplate(f"The function {name} has its code in the template itself: put it into a file.")
    if code is not None and not isinstance(code, str):
        raise InvalidTemplate(f"The code of the function {name} is not on this machine: {code}.")
    folder = Path(path).parent / (code or ".")
    if not folder.is_dir():
        raise InvalidTemplate(f"The code of the function {name} is in {folder}, which is not a folder on this machine.")
    return str(folder)


def _number(name: str, properties: dict[str, Any], key: str, default: int) -> float:
    value = properties.get(key, default)
    if isinstance(value, Unknown):
        return default
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidTemplate(f"Expected a number as {key} of {name}, but got {value!r}.") from None


def _is_unknown(value: Any) -> bool:
    return not isinstance(value, str | int | float)


def _value(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a function with those that all functions share. SAM joins lists, shared ones first."""
    merged = dict(shared)
    for key, value in own.items():
        old = shared.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            merged[key] = _merged(old, value)
        elif isinstance(value, list) and isinstance(old, list):
            merged[key] = [*old, *value]
        else:
            merged[key] = value
    return merged
