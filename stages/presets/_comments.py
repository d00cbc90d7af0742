"""What a training preset's file says beside its numbers: the report shows why a number is what it is."""

from __future__ import annotations

import re

from ._files import TRAINING, find_preset, read_tree
from .errors import PresetError

_COMMENT = re.compile(r"\s#\s*(.*)$")


def training_comments(name: str) -> dict[str, tuple[object, str]]:
    """Key of the `train:` block -> (value in the file, comment beside it), parents included.

    Empty for a preset that is not there any more: it was used once, and its numbers are in the record.
    """
    try:
        tree = read_tree(find_preset(name, TRAINING), TRAINING)
    except PresetError:
        return {}
    train = tree.values.get("train")
    if not isinstance(train, dict):
        return {}
    found = {}
    for key, value in train.items():
        origin = tree.origins.get(("train", key))
        comment = _COMMENT.search(origin.excerpt) if origin is not None else None
        if comment is not None:
            found[key] = (value, comment.group(1).strip())
    return found
