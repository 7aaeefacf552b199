"""Lambda on one's own machine: `python -m bridge dev`, and what it is made of.

A client's request becomes a service's event (`services`), waits for an execution environment (`pool`), which is a child
process (`environment`, `process`) that polls this gateway's own Runtime API (`runtime_api`), and its answer (`answer`)
goes back through the service. `invocation` and `history` record all of it for the inspector; `gateway` joins the parts.
"""
