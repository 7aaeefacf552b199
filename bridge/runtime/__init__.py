"""Our own client of the Lambda Runtime API: `python -m bridge.runtime module:attribute`.

It can do what awslambdaric cannot: stream a response, let the application work after its response, and answer many
invocations concurrently in one process.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

__all__: list[str] = []
