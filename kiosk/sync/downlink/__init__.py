"""The road down: head office's TUF repository, over the network or from a stick, verified and offered to the kiosk."""
