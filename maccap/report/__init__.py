"""Pages for readers, each one self-contained file: the report of a profile's results, its samples, the API."""
