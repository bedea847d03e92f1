"""A whole town in one seed: kiosks, customers, meters, head office, and everything that goes wrong between them."""
