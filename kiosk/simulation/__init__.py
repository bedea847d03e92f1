"""Whole kiosks in memory: a disk, a mains supply and people, all from one seed, to break what can be broken."""
