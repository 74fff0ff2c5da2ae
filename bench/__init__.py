"""Benchmarks: how fast, at what cost, against what, in one run."""
