"""The benchmarks: what Tocsin promises in figures, measured on this machine. `make bench`."""
