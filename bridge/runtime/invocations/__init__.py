"""Invocations: the slots that wait for them, the answers, and the work after an answer."""
