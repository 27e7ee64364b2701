"""Landing, the catalog of files, unsealing, models and derivation, collection."""
