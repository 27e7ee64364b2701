"""Source adapters: vendor files in, canonical samples and profile facts out, nothing lost."""
