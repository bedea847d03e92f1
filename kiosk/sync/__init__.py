"""The road to head office: a process of its own that reads the journal and writes only its own file."""
