"""A card reader on a serial line: a four-slot SLE4442 reader's 40-byte packets, and our extension for other chips."""
