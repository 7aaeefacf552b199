"""What the tests of the sample applications share: their modules, their events, and results that many have."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["SAMPLE_APPS", "Result", "event_names", "load", "read_event", "redirect", "with_cookies"]

SAMPLE_APPS = Path(__file__).parents[2] / "sample_apps"

Result = dict[str, Any]


def load(file: str) -> ModuleType:
    """Return the module in a file of sample_apps/, executed anew as a new Lambda environment would."""
    name = f"sample_{file.removesuffix('.py').replace('/', '_')}"
    spec = spec_from_file_location(name, SAMPLE_APPS / file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # where Flask looks for the folder of its templates
    spec.loader.exec_module(module)
    return module


def read_event(app: str, name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((SAMPLE_APPS / app / "events" / f"{name}.json").read_text())
    return event


def event_names(app: str) -> list[str]:
    return sorted(path.stem for path in (SAMPLE_APPS / app / "events").iterdir())


def with_cookies(content_type: str, body: str, *, status: int = 200) -> Result:
    return {
        "statusCode": status,
        "headers": {"content-length": str(len(body)), "content-type": content_type},
        "cookies": [],
        "body": body,
        "isBase64Encoded": False,
    }


def redirect(location: str, *cookies: str) -> Result:
    return {
        "statusCode": 303,
        "headers": {"content-length": "0", "location": location},
        "cookies": list(cookies),
        "body": "",
        "isBase64Encoded": False,
    }
