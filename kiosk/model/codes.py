"""Every error code, once: what staff look up. A code is never reused.

Customers' sentences for the same codes stand in ``assets/text``; ``docs/errors.md`` explains each for three readers.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    # the card is not ours to write; nothing was charged
    "C-101": "no vendor's mark matches this card",
    "C-102": "two vendors' marks match this card",
    "C-103": "the card belongs to another region",
    "C-104": "not a customer's card: blank, setting or check card",
    "C-105": "the meter has not taken the last purchase yet",
    "C-106": "the card is locked, or has one try left",
    "C-107": "the card's content is damaged",
    "C-108": "a chip family that no configured vendor uses",
    "C-109": "the card refused the vendor's secret",
    "C-110": "the hoard limit leaves no room for a purchase",
    "C-111": "the card names another customer or meter",
    "C-112": "the purchase count on the card does not fit",
    "C-113": "there is no price for this vendor",
    "C-114": "the driver needs a key card that is not here",
    "C-115": "the driver does not sell",
    "C-116": "no customer with this number is served here",
    "C-117": "this terminal owes the card something already",
    # the card could not be read or written
    "C-201": "the card could not be read",
    "C-202": "the card was taken out",
    "C-203": "the card could not be written; it is as before",
    "C-204": "the write was broken off; the card must be read again",
    "C-205": "the card gives no answer (put in the wrong way round?)",
    # a vendor's driver misbehaved; its process was ended
    "D-301": "the driver crashed",
    "D-302": "the driver did not answer in time",
    "D-303": "the driver's answer is not a valid frame, or not an answer to the question",
    "D-304": "the driver could not be started",
    "D-305": "the driver's file is not the one its manifest names (sha256)",
    "D-306": "the driver reports an internal error or refuses our request",
    # devices
    "V-401": "the smart card service (pcscd) is not there",
    "V-402": "no card reader is connected",
    "V-403": "the card reader on the serial line does not answer",
    "V-411": "the note acceptor does not answer",
    "V-412": "a note is jammed",
    "V-413": "the cash box is full",
    "V-414": "the cash box is out",
    "V-415": "the note acceptor reports a fault",
    "V-416": "somebody tampers with the note acceptor",
    "V-417": "a cash device counts money that nobody saw, or was exchanged",
    "V-418": "the coin acceptor does not answer",
    "V-419": "the coin acceptor reports a fault",
    "V-421": "the printer does not answer",
    "V-422": "the printer has no paper",
    "V-423": "the printer's cover is open, or it reports a fault",
    "V-431": "the clock is wrong",
    "V-432": "it is too hot inside the kiosk",
    # the ledger
    "L-501": "the ledger does not verify",
    "L-502": "the ledger cannot be written (disk full, or failing)",
    "L-503": "head office has more of this ledger than this disk: rolled back or cloned",
    "L-504": "head office holds this ledger in quarantine",
    "L-505": "the signing key cannot be read, or is not this ledger's key",
    "L-506": "the ledger is open in another process",
    # sync
    "S-601": "head office does not answer",
    "S-602": "head office does not know this terminal",
    "S-603": "head office has blocked this terminal",
    "S-604": "head office refused a batch",
    "S-605": "head office's answer does not verify",
    "S-606": "the stored entries do not match their signatures",
    # settings and files
    "F-701": "a mistake in kiosk.toml",
    "F-702": "a mistake in the price list, or its signature does not hold",
    "F-703": "a mistake in a vendor's folder",
    "F-704": "a mistake in the list of customers, or its signature does not hold",
    "F-705": "a mistake in the list of vouchers for cards, or its signature does not hold",
    # the program itself
    "P-801": "the program found a mistake of its own and starts the sale again from the ledger",
}
