"""The `shelflife` command: every verb calls the same function that Python callers and Dagster call."""
