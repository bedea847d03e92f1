"""HID OMNIKEY 3x21: its pseudo-APDUs for memory cards, the kiosk's side and the reader's."""
