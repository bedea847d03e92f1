"""Staff's work on cards at a terminal: open, reissue, clear, set, check, reverse; `python -m kiosk card`."""
