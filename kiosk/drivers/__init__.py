"""The uniform driver call: frame, contract, manifest, and the process each vendor's driver lives in."""
