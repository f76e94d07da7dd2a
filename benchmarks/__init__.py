"""Figures against targets and peers, each reproducible by one command (`make bench`, `make bench-e2e`)."""
