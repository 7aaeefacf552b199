"""Measurements, side by side and in one run: `python benchmarks/run.py`. Nothing here asserts on time."""
