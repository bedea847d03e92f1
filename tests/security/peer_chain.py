"""A sales journal as point-of-sale peers keep it: a chain of hashes, each over the one before and the sale's fields.

Nothing is signed and nobody outside keeps a head of it: who can write the file can add up all hashes again. This is
no straw man: canonical JSON, SHA-256 at full length, a gapless number, closings by day (compare the French law's
inalterable till journals). ``Office`` books what verifies and what is new by its number, as their servers do.
"""

import hashlib
import json


class PeerChain:
    def __init__(self, shop="0007"):
        self.shop, self.rows = shop, []

    def sell(self, fen, date="2026-11-25", customer="10086"):
        number = len(self.rows)
        self.rows.append(
            {"shop": self.shop, "number": number, "date": date, "customer": customer, "fen": fen, "hash": ""}
        )
        self.recompute(number)
        return self

    def copy(self):
        twin = PeerChain(self.shop)
        twin.rows = [dict(row) for row in self.rows]
        return twin

    def recompute(self, first=0):
        """What an attacker does after whatever he did: everybody can."""
        for number, row in enumerate(self.rows):
            if number >= first:
                row["number"] = number
                row["hash"] = self._hash(number)
        return self

    def verifies(self):
        return all(
            row["number"] == number and row["shop"] == self.shop and row["hash"] == self._hash(number)
            for number, row in enumerate(self.rows)
        )

    def fen(self):
        return sum(row["fen"] for row in self.rows)

    def _hash(self, number):
        row = {key: value for key, value in self.rows[number].items() if key != "hash"}
        before = self.rows[number - 1]["hash"] if number else ""
        text = before + json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class PeerOffice:
    """Takes every chain that verifies; a number that it has is not booked again."""

    def __init__(self):
        self.booked = {}

    def take(self, chain):
        if not chain.verifies():
            return False
        for row in chain.rows:
            self.booked.setdefault((row["shop"], row["number"]), row["fen"])
        return True


def peer_list(text):
    """A list as it is sent down without a key: with its own sum."""
    return f"{text}sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"


def peer_list_verifies(listed):
    text, _, told = listed.rpartition("sha256 ")
    return told.strip() == hashlib.sha256(text.encode()).hexdigest()
