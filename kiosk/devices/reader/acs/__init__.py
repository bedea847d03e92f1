"""ACS readers (ACR38, ACR39, ACR1281): their pseudo-APDUs for memory cards, the kiosk's side and the reader's."""
