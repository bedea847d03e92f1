"""What head office sends down to its terminals: a TUF repository, its keys, and secrets sealed to one terminal."""
