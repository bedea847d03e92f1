"""Keys in hardware (contract 2 §8): a PKCS#11 token that signs, a TPM that seals the key file and counts."""
