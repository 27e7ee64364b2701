"""Large files of every format that is landed, written as a stream; see `benchmarks.land`."""
