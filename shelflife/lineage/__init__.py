"""Lineage: which step made which data from which, down to the column, without naming a subject."""
