"""Benchmarks, each runnable alone."""
