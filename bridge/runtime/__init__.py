"""Our own client of the Lambda Runtime API: `python -m bridge.runtime module:attribute`.

What awslambdaric cannot do: stream a response, work on after it, and answer many invocations at once in one process.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

__all__: list[str] = []
