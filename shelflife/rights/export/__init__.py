"""The export: everything that is held about one person, readable by them and by nobody else."""
