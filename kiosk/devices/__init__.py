"""The hardware: card reader, note acceptor, receipt printer. Each with its wire, its host and its simulator."""
