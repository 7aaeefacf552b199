"""Measurements, side by side and in one run: `python tests/benchmarks/run.py`. Nothing here asserts on time."""
