"""What is trained on: pictures, their crops, what games did to them, and drawn ones."""
