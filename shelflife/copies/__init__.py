"""Copies: every place outside the vault that holds subject data, one adapter a kind, one conformance suite for all."""
