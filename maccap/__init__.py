"""Reproduce MacCap: zero-shot captioning through text-only training (Qiu, Ning, He; AAAI 2024)."""

__version__ = "0.1.0"
