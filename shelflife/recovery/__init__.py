"""Recovery: backups of an estate, and restores that bring nobody back."""
