"""A self-service kiosk that sells prepaid electricity for every vendor's meter card, offline."""
