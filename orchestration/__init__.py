"""How Dagster runs the estate: definitions, jobs, sensors and the instance's hardening."""
