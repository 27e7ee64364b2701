"""The lifecycle and governance of biometric data warehouses: land, derive, keep, purge, export, erase, prove."""
