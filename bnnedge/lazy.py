"""Names of a package that are imported when they are used (PEP 562)."""

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bnnedge.extras import missing_of

_SPECIAL = re.compile("__.*__")


def lazily(
    package: str,
    homes: Mapping[str, tuple[str, ...]],
    *,
    own: Iterable[str] = (),
    packages: Iterable[str] = (),
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: its name.
        homes: by a submodule's name, what is taken from there.
        own: public names that the package has itself.
        packages: public packages in it.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    inside = frozenset(packages)
    public = sorted({*own, *home_of})

    def getattr_(name: str) -> Any:
        if name in inside:
            return importlib.import_module(f"{package}.{name}")
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)
        except ModuleNotFoundError as error:
            raise missing_of(f"{package}.{name}", error) or error from error

    def dir_() -> list[str]:
        return sorted({*filter(_SPECIAL.fullmatch, vars(sys.modules[package])), *public, *inside})

    return getattr_, dir_, public
