"""Every AWS service that invokes a function with an HTTP request, in each configuration that changes what it sends."""

from collections.abc import Callable
from dataclasses import dataclass

from . import decoders, encoders
from .decoders import Decoder
from .encoders import Encoder
from .exchange import ClientRequest, Headers

__all__ = ["SERVICES", "Service"]


def _nothing(_request: ClientRequest) -> Headers:
    return ()


def _peer(request: ClientRequest) -> Headers:
    return (("x-forwarded-for", request.peer),)


@dataclass(frozen=True)
class Service:
    """`added`: the headers that the service adds to this client's request. `stage`: what it takes off the path, and
    tells the function in another place."""

    id: str
    title: str
    encode: Encoder
    decode: Decoder
    added: Callable[[ClientRequest], Headers]
    stage: str = ""


_STAGE = "/prod"
_HTTP_API_ADDS = encoders.http_api_headers

SERVICES = (
    Service("rest", "REST API", encoders.rest_api, decoders.rest_api, encoders.forwarded),
    Service("rest-stage", "REST API, named stage", encoders.rest_api, decoders.rest_api, encoders.forwarded, _STAGE),
    Service("http1", "HTTP API 1.0", encoders.http_api_v1, decoders.http_api_v1, _HTTP_API_ADDS),
    Service("http1-stage", "HTTP API 1.0, named stage", encoders.http_api_v1, decoders.http_api_v1, _HTTP_API_ADDS, _STAGE),
    Service("http2", "HTTP API 2.0", encoders.http_api_v2, decoders.http_api_v2, _HTTP_API_ADDS),
    Service("http2-stage", "HTTP API 2.0, named stage", encoders.http_api_v2, decoders.http_api_v2, _HTTP_API_ADDS, _STAGE),
    Service("url", "Function URL", encoders.function_url, decoders.function_url, encoders.forwarded),
    Service("alb", "ALB, single values", encoders.alb_single, decoders.alb_single, encoders.forwarded),
    Service("alb-multi", "ALB, multi-value headers", encoders.alb_multi, decoders.alb_multi, encoders.forwarded),
    Service("edge-viewer", "Lambda@Edge, viewer request", encoders.edge_viewer, decoders.edge, _nothing),
    Service("edge-origin", "Lambda@Edge, origin request", encoders.edge_origin, decoders.edge, encoders.edge_origin_headers),
    Service("lattice1", "VPC Lattice v1", encoders.vpc_lattice_v1, decoders.vpc_lattice, _peer),
    Service("lattice2", "VPC Lattice v2", encoders.vpc_lattice_v2, decoders.vpc_lattice, _peer),
)
