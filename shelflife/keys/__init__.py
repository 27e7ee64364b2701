"""Keys that can be destroyed: the key tree, its root slots, keyrings, pseudonyms and leases."""
