"""Mangum's public names, put onto `Bridge`, so that Mangum's own tests run on it."""

from .adapter import Mangum

__all__ = ["Mangum"]
