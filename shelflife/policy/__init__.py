"""Retention policies: typed, versioned YAML, with a JSON Schema for editors."""
