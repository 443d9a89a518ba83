"""What the benchmarks drive."""
