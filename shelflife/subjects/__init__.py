"""Identity: aliases, pseudonyms, profiles, tombstones."""
