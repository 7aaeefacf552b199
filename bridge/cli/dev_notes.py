"""What a person has to know before the first request, because it shows nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.local.clock import find_library
from bridge.local.settings import AnySource, FunctionSettings

__all__ = ["dev_notes"]

# The events of these services do not say how the client came, and an application takes it to be HTTPS.
_WITHOUT_SCHEME = ("lattice-v1", "lattice-v2", "edge-viewer", "edge-origin")


def dev_notes(function: FunctionSettings, sources: Sequence[AnySource]) -> list[str]:
    """Return one sentence for each thing that works in another way than the options suggest."""
    notes = []
    if function.runtime == "awslambdaric":
        notes.append(
            f"awslambdaric calls {function.target} with event and context: it must be a handler, such as "
            "handler = Bridge(app), and not an application."
        )
    if without := [source.name for source in sources if source.name in _WITHOUT_SCHEME]:
        notes.append(
            f"the events of {', '.join(without)} do not have the scheme, and the application takes it to be https. "
            "Absolute links of its pages, such as those of url_for in FastAPI, fail here: relative ones work."
        )
    if function.snapstart_age and find_library() is None:
        notes.append(
            f"libfaketime is not installed, so the first request after each snapshot waits until the snapshot is "
            f"{function.snapstart_age:g} s old."
        )
    return notes
