"""What is optimised, and how: nets with their losses, features and optimizers."""
