"""Text-only training: the loss and the trainer."""
