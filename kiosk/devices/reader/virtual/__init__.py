"""Chips made of software; importable without PC/SC."""
