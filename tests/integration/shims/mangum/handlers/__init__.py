"""Mangum's handler classes, of which its tests read `scope` and `body`."""

from .request import ALB, APIGateway, HTTPGateway, LambdaAtEdge

__all__ = ["ALB", "APIGateway", "HTTPGateway", "LambdaAtEdge"]
