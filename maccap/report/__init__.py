"""The report: one self-contained page of a profile's results, written for readers."""
