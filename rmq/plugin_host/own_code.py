"""The code of a plugin: its package, imported anew or left as it was, and the place in it where something failed."""

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType


def package_of(module_name: str) -> str:
    """What is imported anew for a plugin of this module, which was imported: the package that it is, or is in.

    A module without a package, or in one that several distributions share, is all there is.
    """
    module = sys.modules.get(module_name)
    if module is None or hasattr(module, "__path__"):
        return module_name
    parent_name = module_name.rpartition(".")[0]
    parent = sys.modules.get(parent_name)
    return parent_name if parent is not None and getattr(parent, "__file__", None) else module_name


def files_of(package: str) -> list[Path]:
    """The sources of a package that was imported, also those that nothing has imported yet."""
    module = sys.modules.get(package)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return []
    if not hasattr(module, "__path__"):
        return [Path(file)]
    return sorted(Path(file).parent.rglob("*.py"))


class Reimport:
    """The modules of a package taken out, so that whoever imports them next gets new ones; ``undo`` puts them back."""

    def __init__(self, package: str) -> None:
        self.package = package
        for file in files_of(package):
            # A cache that is as old as its source by the second, and a source of the same size, is taken for the same.
            with suppress(OSError):  # who can't remove it can't write it either
                Path(cache_from_source(str(file))).unlink(missing_ok=True)
        self._before = dict(_modules(package))
        for name in self._before:
            del sys.modules[name]
        importlib.invalidate_caches()

    def undo(self) -> None:
        """As if nothing had been imported since."""
        for name, _ in list(_modules(self.package)):
            del sys.modules[name]
        sys.modules.update(self._before)
        parent_name, _, name = self.package.rpartition(".")
        parent = sys.modules.get(parent_name)
        if parent is not None and self.package in self._before:
            setattr(parent, name, self._before[self.package])


def in_one_line(error: BaseException, files: list[Path]) -> str:
    """What failed, with file and line: the last one among ``files`` that had a part in it, or the last of all."""
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = {str(file) for file in files}
    places = [frame for frame in frames if frame[0] in own] or frames
    return f"{places[-1][0]}:{places[-1][1]}: {text}" if places else text


def _modules(package: str) -> Iterator[tuple[str, ModuleType]]:
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            yield name, module
