"""What a vendor needs to write a driver: ``CardPortError`` is all a Python driver imports from us (contract 1 §6)."""

from kiosk.model.cardfault import CardPortError as CardPortError
