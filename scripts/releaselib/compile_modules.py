"""Compiles modules to a bundle of bytecode: run by each Python that the single file is to have bytecode for.

Reads JSON from standard input, a list of the name of each module, whether it is a package, its path and its source in
base64; writes the bundle to standard output: the magic number of this Python's bytecode, the size of the index in 4
bytes (little-endian), the index (marshal), and the code of each module (marshal, deflated). The index maps the name of
a module to the offset and size of its code, and whether it is a package.

Only with ``PYTHONHASHSEED=0``, an empty environment and always the same modules is the output the same in each run:
marshal writes which objects have several references.
"""

from __future__ import annotations

import base64
import json
import marshal
import sys
import zlib
from importlib.util import MAGIC_NUMBER


def main() -> None:
    """Compile what standard input has."""
    index: dict[str, tuple[int, int, bool]] = {}
    content = bytearray()
    for name, is_package, path, source in json.load(sys.stdin.buffer):
        code = compile(base64.b64decode(source), path, "exec", dont_inherit=True, optimize=0)
        deflated = zlib.compress(marshal.dumps(code), 9)
        index[name] = (len(content), len(deflated), is_package)
        content += deflated
    head = marshal.dumps(index)
    sys.stdout.buffer.write(MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + content)


main()
