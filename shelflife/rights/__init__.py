"""Rights: what a person can ask for, and how it is done and proven."""
