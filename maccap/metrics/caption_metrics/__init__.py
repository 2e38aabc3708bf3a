"""One file for each caption metric, or for several that are computed together; see `maccap.metrics.registry`."""
