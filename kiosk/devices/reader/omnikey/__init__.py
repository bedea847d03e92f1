"""HID OMNIKEY 3021, 3121 and 6121 ("3x21"): their pseudo-APDUs for memory cards, the kiosk's side and the reader's.

Source: HID, OMNIKEY Contact Smart Card Readers Software Developer Guide (PLT-03099, 2017 to 2021), chapter 8, as public
summaries have it, and HID's own sample code (HID-OMNIKEY-Sample-Codes 1.6.0) for the raw bus commands.
"""
