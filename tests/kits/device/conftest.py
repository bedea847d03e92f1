"""Finds every protocol that has both halves: ``<protocol>_pair.py`` in its own tests' folder.

A pair has ``make_talk(memory, known)`` and ``make_voice(validator)``, and may have ``NEVER_SEEN``, the phases its
machine is never seen in, and ``SLOW_MS``, how long a question and its answer may take together. One with ``MACHINE``
has another machine than a ``Validator``, and tests of its own.
"""

import importlib
import sys
from pathlib import Path

import pytest

ACCEPTOR_TESTS = Path(__file__).resolve().parents[2] / "devices" / "acceptor"
FILES = sorted(ACCEPTOR_TESTS.glob("*/*_pair.py"))
sys.path[:0] = [str(file.parent) for file in FILES]
PAIRS = [module for module in (importlib.import_module(file.stem) for file in FILES) if not hasattr(module, "MACHINE")]


@pytest.fixture(params=PAIRS, ids=lambda module: module.__name__.removesuffix("_pair"))
def pair(request):
    return request.param
