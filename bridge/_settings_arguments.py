"""The settings as keyword arguments of a handler, for type checkers: no function imports this module."""

from collections.abc import Iterable
from typing import TypedDict

from bridge.settings import BatchMode, Mode, StageMode

__all__ = ["SettingsArguments"]


class SettingsArguments(TypedDict, total=False):
    """The settings of `bridge.Settings`, with what they accept. `app` is missing: it is the application there."""

    base_path: str
    root_path: str
    stage: StageMode
    text_media_types: Iterable[str]
    mode: Mode
    authorization_source: str
    trust_forwarded_host: bool
    error_status_codes: str | Iterable[int]
    pass_through_path: str
    open_pass_through_path: bool
    websocket_path: str
    open_websocket_path: bool
    batch: BatchMode
    batch_concurrency: int
    access_log: bool
    compression: bool
    context_headers: bool | None
