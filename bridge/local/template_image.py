"""The handler and the folder of a function whose package is a container image.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bridge.local.template_document import InvalidTemplate
from bridge.local.template_values import mapping_of

__all__ = ["image_of"]

# The last instruction counts: https://docs.docker.com/reference/dockerfile/#cmd
_COMMAND = re.compile(r"^\s*CMD\s+(\[.*\])\s*$", re.MULTILINE | re.IGNORECASE)


def image_of(path: str, resource: dict[str, Any], properties: dict[str, Any]) -> tuple[str, str] | None:
    """Return the handler, "" if it is not known, and the folder; None for a function without an image.

    The handler is the first word of the command, as in AWS's base images: that of the template, else that of the
    Dockerfile. Raises InvalidTemplate for an image that is not built from a folder of this machine.
    """
    if properties.get("PackageType") != "Image":
        return None
    metadata = mapping_of(resource.get("Metadata"))
    if not isinstance(metadata.get("DockerContext"), str):
        raise InvalidTemplate(
            "The function's image is not built here: give Metadata with Dockerfile and DockerContext."
        )
    folder = Path(path).parent / metadata["DockerContext"]
    command = mapping_of(properties.get("ImageConfig")).get("Command")
    if not isinstance(command, list):
        command = _command(folder / str(metadata.get("Dockerfile", "Dockerfile")))
    handler = command[0] if command and isinstance(command[0], str) else ""
    return handler, str(folder)


def _command(dockerfile: Path) -> list[Any]:
    try:
        found = _COMMAND.findall(dockerfile.read_text(encoding="utf-8"))
        command = json.loads(found[-1]) if found else []
    except (OSError, ValueError):
        return []
    return command if isinstance(command, list) else []
