"""Fast paths. Each gives the plain path's numbers to rounding, and `MACCAP_PLAIN=1` turns all of them off.

- `matrix_products`: F.linear by oneDNN.
- `fused_blocks`: image blocks with packed weights.
- `short_texts`: text features without computing the padding.
- `beam_cache`: beam search that computes and stores each prompt once.
"""

import os


def plain() -> bool:
    """Whether the environment variable MACCAP_PLAIN is 1; it is read each time a fast path could be taken."""
    return os.environ.get("MACCAP_PLAIN") == "1"
