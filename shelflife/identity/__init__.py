"""Identity changes: two subjects that are one person, rows that are another person's, names that pass on."""
