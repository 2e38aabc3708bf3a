"""Files in YAML, read more strictly than PyYAML does."""

from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(file: Path | str) -> Any:
    """The content of a file.

    Raises:
        OSError: it cannot be read.
        UnicodeError: it is not in UTF-8.
        yaml.YAMLError: it is no YAML, one mapping in it has a key twice, or its lists are too deep.
    """
    loader = LOADER(Path(file).read_text(encoding="utf-8"))
    try:
        node = loader.get_single_node()
        if twice := _given_twice(node, set()):
            key, line, before = twice
            raise yaml.YAMLError(f"line {line} gives the key {key!r} again, after line {before}; keep one of them")
        return loader.construct_document(node) if node else None
    except RecursionError as error:
        raise yaml.YAMLError("its lists or mappings are too deep") from error


def _given_twice(node: yaml.Node | None, seen: set[int]) -> tuple[str, int, int] | None:
    """The first key that one mapping has twice, where YAML takes the last: the key, its line, and that before.

    Args:
        seen: ids of the nodes that were walked; an alias is the node that it names, and may hold itself.
    """
    if node is None or id(node) in seen:
        return None
    seen.add(id(node))
    lines: dict[str, int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                line = key.start_mark.line + 1
                if key.value in lines:
                    return key.value, line, lines[key.value]
                lines[key.value] = line
        children = [value for _, value in node.value]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    return next(filter(None, (_given_twice(child, seen) for child in children)), None)
