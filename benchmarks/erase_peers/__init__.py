"""The tools that `benchmarks.erase` runs beside each other: one module a peer, the same interface for all."""
