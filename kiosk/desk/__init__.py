"""The world around a kiosk, for demos, training and tests."""
