"""What an amount buys. Pure."""
