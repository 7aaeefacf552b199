"""A function that fails in its init phase."""

print("about to fail", flush=True)
raise RuntimeError("no database")
