from .request import LambdaAtEdge

__all__ = ["LambdaAtEdge"]
