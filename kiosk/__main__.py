"""`kiosk` command."""
