from .request import APIGateway, HTTPGateway

__all__ = ["APIGateway", "HTTPGateway"]
