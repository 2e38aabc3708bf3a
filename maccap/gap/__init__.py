"""The modality gap, measured: how near images and captions lie, what lies between them, what closes it."""
