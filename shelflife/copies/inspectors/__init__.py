"""Inspectors: one a kind of copy, each reading and decoding what is there by code of its own, none importing an adapter."""
