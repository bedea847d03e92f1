"""The sample vendors."""
