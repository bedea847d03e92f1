"""PC/SC part 3's storage-card commands, which contactless readers of every maker know: the kiosk's side and theirs."""
