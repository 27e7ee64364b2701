"""The ledger: an append-only, signed, Merkle-hashed record of what was done, and the witness that watches it."""
