"""Applications for the processes that tests start: they write down their own lives."""

__all__ = ["APP"]

# Answers with what its startup has left for its requests, and with the path.
APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["pool"] = "open"
        print("startup", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": scope["state"]["pool"].encode() + scope["raw_path"]})
"""
