"""Invocations: who waits for them, answers them, and works on after the answer."""
