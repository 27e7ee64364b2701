"""Sealed blocks and files, encrypted Parquet, sealed values: what personal data looks like at rest."""
