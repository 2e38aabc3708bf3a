"""From image features to captions and answers."""
