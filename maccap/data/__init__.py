"""Data sets: captions, questions, images and feature stores, and the readers of each format."""
