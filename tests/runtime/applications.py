"""Applications for the processes that tests start: they write down their own lives."""

__all__ = ["APP", "LATE_SIGTERM"]

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

# Code at the end of a module: a SIGTERM comes after the interpreter's last check for signals and before the first wait
# for a socket. `killpg` does not run the signal's handler by itself, and `map` runs no bytecode between its two calls.
LATE_SIGTERM = """
import functools, operator, os, select

class Poll:
    is_armed = True
    _new = select.poll

    def __init__(self):
        self._poll = Poll._new()
        self.register = self._poll.register

    def poll(self, *timeout):
        wait = functools.partial(self._poll.poll, *timeout)
        if not Poll.is_armed or timeout == (0,):
            return wait()
        Poll.is_armed = False
        return list(map(operator.call, [functools.partial(os.killpg, os.getpid(), 15), wait]))[1]

select.poll = Poll
"""
