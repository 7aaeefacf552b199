"""Warm-up pings: events that a plugin sends only to keep the function's environments alive."""

from __future__ import annotations

from bridge.sources._event_fields import is_object

__all__ = ["is_warm_up"]


def is_warm_up(event: object) -> bool:
    """Return whether `event` is a warm-up ping: `{}`, serverless-plugin-warmup's or lambda-warmer's.

    An event of EventBridge never is: a schedule may do real work.
    """
    if not is_object(event) or event.get("detail-type") is not None:
        return False
    return not event or event.get("source") == "serverless-plugin-warmup" or event.get("warmer") is True
