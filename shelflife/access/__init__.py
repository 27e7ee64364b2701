"""Governed reading: roles, the allow-list of SQL, row filters, limits and the query audit."""
