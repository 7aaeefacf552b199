"""The application in the module APP as a handler for awslambdaric, by way of Bridge."""

import importlib
import os

from bridge import Bridge

as_it_comes = Bridge(importlib.import_module(os.environ["APP"]).app)
