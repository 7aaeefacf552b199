"""Mangum's names of the exceptions that `Bridge` raises."""

from bridge import ConfigurationError
from bridge import LifespanError as LifespanFailure

__all__ = ["ConfigurationError", "LifespanFailure"]
