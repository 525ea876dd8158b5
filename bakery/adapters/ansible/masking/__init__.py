"""Keeps what came out of a vault from what leaves the run.

This package runs inside the ansible-playbook process (child.py loads it by its path): it knows the standard
library and PyYAML.

Hidden are a secret as it stands, in the forms that programs print it in, and pieces of a long one:

- at least 4 characters: wherever it stands, words of every playbook ("present", "root") excepted;
- fewer: only where they are the whole of a value;
- at least 8 characters: also wrapped, indented, folded, quoted, escaped, or escaped twice;
- at least 16 characters: also a piece of two thirds of it, or of 32 characters.

Where a secret is not known, no text is shown at all.
"""

from __future__ import annotations

from .ledger import Ledger
from .masker import MASK, Masker
from .parts import COMMON as _COMMON
from .withholding import WITHHELD, withheld, withheld_checks, withheld_text

__all__ = [
    "MASK",
    "WITHHELD",
    "_COMMON",
    "Ledger",
    "Masker",
    "withheld",
    "withheld_checks",
    "withheld_text",
]
