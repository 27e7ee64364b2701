"""Retention: plans of what expires, their execution, and the holds that stop them."""
