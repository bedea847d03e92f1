"""The card reader: PC/SC host, card families, virtual cards."""
