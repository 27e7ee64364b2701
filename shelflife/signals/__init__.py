"""The canonical sample: its schema, vocabulary, units, local days, ids and row rules."""
