from .request import ALB

__all__ = ["ALB"]
