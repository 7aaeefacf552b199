"""What HTTP APIs do to the path, whichever payload they send."""

from typing import Any

from bridge.settings import Settings
from bridge.sources._path import has_prefix, place, strip_prefix

__all__ = ["place_in_stage"]


def place_in_stage(path: str, context: dict[str, Any], settings: Settings) -> tuple[str, str]:
    """The path that the application sees and its root path, for an event path that begins with a named stage.

    Under the API's own execute-api domain the client asked for the stage. Behind a custom domain it did not: the
    domain maps to the stage, yet the event's path has it all the same (CodeGenieApp/serverless-express#465).
    """
    stage, domain = context.get("stage"), context.get("domainName")
    prefix = f"/{stage}"
    if not isinstance(stage, str) or stage in ("", "$default") or not has_prefix(path, prefix):
        return place(path, settings)
    if isinstance(domain, str) and domain and ".execute-api." not in domain:
        return place(strip_prefix(path, prefix), settings)
    return place(path, settings, inside=prefix)
