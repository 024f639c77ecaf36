"""Compiles modules to the files of bytecode that Python keeps: run by the Python that is to run them.

Reads JSON from standard input, a list of the path of each module and its source in base64; writes JSON to standard
output, an object of the bytecode in base64 by path, without modules that this Python cannot compile. The files are
never compared with their sources (PEP 552: hash-based and unchecked), as a layer of an image does not change.

Only with ``PYTHONHASHSEED=0``, an empty environment and always the same modules is the output the same in each run.
"""

from __future__ import annotations

import base64
import json
import marshal
import sys
from importlib.util import MAGIC_NUMBER, source_hash

_UNCHECKED = (1).to_bytes(4, "little")


def main() -> None:
    """Compile what standard input has."""
    found: dict[str, str] = {}
    for path, encoded in json.load(sys.stdin.buffer):
        source = base64.b64decode(encoded)
        try:
            code = compile(source, f"/{path}", "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError):  # a template, or a module for another version of Python
            continue
        content = MAGIC_NUMBER + _UNCHECKED + source_hash(source) + marshal.dumps(code)
        found[path] = base64.b64encode(content).decode()
    json.dump(found, sys.stdout)


main()
