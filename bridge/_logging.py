"""The package's one logger. It adds no handler: Lambda's own root handler, or the user's, shows what it says."""

import logging

__all__ = ["logger"]

logger = logging.getLogger("bridge")
