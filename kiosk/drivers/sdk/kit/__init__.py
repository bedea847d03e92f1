"""The conformance kit: a vendor's folder against every rule of contract 1, through the real driver process."""
