"""The ``__main__`` of the single file: runs pyskopeo, from the bytecode for this Python if that is in the file.

Without it, zipimport compiles the sources in the file, which takes some tenths of a second.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the only module that an older Python gets to see
    sys.exit("pyskopeo needs Python 3.11 or newer, and %s is %d.%d" % (sys.executable, *sys.version_info[:2]))  # noqa: UP031 - see above

import marshal
import zlib
from importlib.util import MAGIC_NUMBER


def _use_bytecode() -> None:
    """Import modules from the bundle of bytecode for this version, if there is one. It holds the importer, too."""
    try:
        bundle = __loader__.get_data("cp{}{}/modules".format(*sys.version_info[:2]))
    except OSError:
        return
    start = len(MAGIC_NUMBER) + 4
    if sys.implementation.name != "cpython" or bundle[: len(MAGIC_NUMBER)] != MAGIC_NUMBER:
        return  # of a version that was not finished when this file was built
    size = int.from_bytes(bundle[len(MAGIC_NUMBER) : start], "little")
    index, content = marshal.loads(bundle[start : start + size]), memoryview(bundle)[start + size :]
    offset, length, _ = index["bytecode_importer"]
    importer = {"__name__": "bytecode_importer"}
    exec(marshal.loads(zlib.decompress(content[offset : offset + length])), importer)
    sys.meta_path.insert(0, importer["BytecodeImporter"](__loader__, index, content))


_use_bytecode()

from pyskopeo.cli.main import run  # noqa: E402 - from the bytecode

run()
