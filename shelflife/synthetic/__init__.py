"""Invented people and the vendor files that they would have: data to try an estate with."""
