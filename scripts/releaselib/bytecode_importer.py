"""Imports modules from the bytecode in the single file; its own code is there, too."""

from __future__ import annotations

import _imp
import marshal
import zlib
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from zipimport import zipimporter


class BytecodeImporter:
    """Imports the modules in a bundle of bytecode.

    ``content`` is their code, and ``index`` says where: as `compile_modules` writes both. Everything else that a loader
    has, sources for tracebacks and data, comes from ``archive``, an importer of zipimport for the single file.
    """

    def __init__(self, archive: zipimporter, index: dict[str, tuple[int, int, bool]], content: memoryview) -> None:
        self._archive, self._index, self._content = archive, index, content

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
