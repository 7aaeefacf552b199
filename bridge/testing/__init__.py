"""The way back: call any Lambda handler as an AWS service does, from an httpx client.

from bridge.testing import LambdaTransport
"""

from bridge.testing.context import LambdaContext
from bridge.testing.interface import FunctionFailed
from bridge.testing.transport import LambdaTransport

__all__ = ["FunctionFailed", "LambdaContext", "LambdaTransport"]
