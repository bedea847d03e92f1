"""Note acceptors, one folder a protocol."""
