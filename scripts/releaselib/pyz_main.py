"""The ``__main__`` of the single file: runs pyskopeo, from the bytecode for this Python if that is in the file.

Without it, zipimport compiles the sources in the file, which takes some tenths of a second.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the only module that an older Python gets to see
    sys.exit("pyskopeo needs Python 3.11 or newer, and %s is %d.%d" % (sys.executable, *sys.version_info[:2]))  # noqa: UP031 - see above

import _imp
import marshal
import zlib
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType
from zipimport import zipimporter


class BytecodeImporter:
    """Imports modules from a bundle of bytecode, which `releaselib.compile_modules` writes.

    Everything else that a loader has, sources for tracebacks and data, comes from ``archive``, an importer of zipimport
    for the file that has both.
    """

    def __init__(self, archive: zipimporter, bundle: bytes) -> None:
        size = int.from_bytes(bundle[:4], "little")
        self._archive = archive
        self._index = marshal.loads(bundle[4 : 4 + size])
        self._content = memoryview(bundle)[4 + size :]

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of a module in the bundle."""
        if name not in self._index:
            return None
        file, is_package = self.get_filename(name), self.is_package(name)
        spec = ModuleSpec(name, self, origin=file, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [file.rpartition("/")[0]]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Have the module made as usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the code of a module."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> CodeType:
        """Return the code object of a module."""
        start, size, _ = self._index[name]
        code = marshal.loads(zlib.decompress(self._content[start : start + size]))
        _imp._fix_co_filename(code, self.get_filename(name))  # noqa: SLF001 - as importlib does; for tracebacks
        return code

    def is_package(self, name: str) -> bool:
        """Return whether a module is a package."""
        return self._index[name][2]

    def get_filename(self, name: str) -> str:
        """Return the path of a module's source."""
        folder = name.replace(".", "/")
        return f"{self._archive.archive}/{folder}{'/__init__' if self.is_package(name) else ''}.py"

    def get_source(self, name: str) -> str | None:
        """Return the source of a module."""
        return self._parent(name).get_source(name)

    def get_data(self, path: str) -> bytes:
        """Return the content of a file."""
        return self._archive.get_data(path)

    def get_resource_reader(self, name: str) -> object:
        """Return the reader of a package's data, for importlib.resources."""
        return self._parent(name).get_resource_reader(name)

    def _parent(self, name: str) -> zipimporter:
        """Return the importer of zipimport for the package that a module is in."""
        folder = name.rpartition(".")[0].replace(".", "/")
        return zipimporter(f"{self._archive.archive}/{folder}" if folder else self._archive.archive)


def _use_bytecode() -> None:
    name = "cp{}{}/modules".format(*sys.version_info[:2])
    try:
        bundle = __loader__.get_data(name)
    except OSError:  # not for this minor
        return
    magic = len(MAGIC_NUMBER)
    if sys.implementation.name == "cpython" and bundle[:magic] == MAGIC_NUMBER:  # else of a release candidate
        sys.meta_path.insert(0, BytecodeImporter(__loader__, bundle[magic:]))


_use_bytecode()

from pyskopeo.cli.main import run  # noqa: E402 - from the bytecode

run()
