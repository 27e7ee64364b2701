"""What Dagster shows of the estate: raw streams, derived tables, cohorts and the checks between them.

No asset returns data. Dagster sees names of streams and models, dates, counts and opaque ids.
"""
