"""The application in the module APP as handlers for awslambdaric, by way of Mangum."""

import importlib
import os

from mangum import Mangum

_app = importlib.import_module(os.environ["APP"]).app

as_it_comes = Mangum(_app)
lifespan_off = Mangum(_app, lifespan="off")
