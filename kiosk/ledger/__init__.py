"""The signed ledger: a transparency log of everything that touches money or credit."""
