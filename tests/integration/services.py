"""Every AWS service that invokes a function with an HTTP request, in each configuration that changes what it sends."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.integration import decoders, encoders
from tests.integration.decoders import Decoder
from tests.integration.encoders import Encoder
from tests.integration.exchange import ClientRequest, Headers

__all__ = ["SERVICES", "Service"]


def _nothing(_request: ClientRequest) -> Headers:
    return ()


def _peer(request: ClientRequest) -> Headers:
    return (("x-forwarded-for", request.peer),)


@dataclass(frozen=True)
class Service:
    """`group`: its column in docs/fidelity.md. `added`: the headers that the service adds to a client's request.

    `stage`: the first segment of the client's path, which the service tells the function in a place of its own.
    """

    id: str
    group: str
    title: str
    encode: Encoder
    decode: Decoder
    added: Callable[[ClientRequest], Headers]
    stage: str = ""


def _pair(
    name: str, title: str, encode: Encoder, decode: Decoder, added: Callable[[ClientRequest], Headers]
) -> tuple[Service, Service]:
    """An API with a custom domain or with its default stage, and one with a named stage in the client's URL."""
    service = Service(name, title, title, encode, decode, added)
    return service, replace(service, id=f"{name}-stage", title=f"{title} with a named stage", stage="/prod")


SERVICES = (
    *_pair("rest", "REST API", encoders.rest_api, decoders.rest_api, encoders.forwarded),
    *_pair("http1", "HTTP API 1.0", encoders.http_api_v1, decoders.http_api_v1, encoders.http_api_headers),
    *_pair("http2", "HTTP API 2.0", encoders.http_api_v2, decoders.http_api_v2, encoders.http_api_headers),
    Service("url", "Function URL", "Function URL", encoders.function_url, decoders.function_url, encoders.url_headers),
    Service("alb", "ALB", "ALB", encoders.alb_single, decoders.alb_single, encoders.forwarded),
    Service(
        "alb-multi",
        "ALB multi",
        "ALB with multi-value headers",
        encoders.alb_multi,
        decoders.alb_multi,
        encoders.forwarded,
    ),
    Service(
        "edge-viewer", "Lambda@Edge", "Lambda@Edge viewer request", encoders.edge_viewer, decoders.edge_viewer, _nothing
    ),
    Service(
        "edge-origin",
        "Lambda@Edge",
        "Lambda@Edge origin request",
        encoders.edge_origin,
        decoders.edge_origin,
        encoders.edge_origin_headers,
    ),
    Service("lattice1", "Lattice v1", "VPC Lattice v1", encoders.vpc_lattice_v1, decoders.vpc_lattice_v1, _peer),
    Service("lattice2", "Lattice v2", "VPC Lattice v2", encoders.vpc_lattice_v2, decoders.vpc_lattice_v2, _peer),
)
