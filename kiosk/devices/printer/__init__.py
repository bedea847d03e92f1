"""The receipt printer."""
