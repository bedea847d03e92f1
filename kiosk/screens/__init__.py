"""What customers see: Kivy screens that show a SaleView and post events."""
