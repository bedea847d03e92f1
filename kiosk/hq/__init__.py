"""Head office: intake, witness, store and console."""
