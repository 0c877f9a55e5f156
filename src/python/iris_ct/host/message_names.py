"""The message classes that a production knows: what a request from outside may name.

iop imports the module of whatever class a message names. A name that came over the network is
therefore looked up among what the production has imported already, and nothing is imported for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from iop.messages.validation import is_message_class

from iris_ct.host.bodies import NATIVE_PREFIX
from iris_ct.host.errors import UnsupportedError

_SHOWN = 20


def check_message_name(name: str, components: Iterable[type[Any]]) -> None:
    """Refuse a class that is no message of these components.

    Messages are those that the components' modules have imported, and the others of the modules
    that define them. Classes of IRIS, which become no Python objects, are let through.

    Raises
    ------
    UnsupportedError
        With some of the names that would do.
    """
    if name.startswith(NATIVE_PREFIX):
        return
    known = _known_names(components)
    if name not in known:
        others = len(known) - _SHOWN
        more = f" and {others} more" if others > 0 else ""
        raise UnsupportedError(
            f"{name[:200]!r} is no message class of this production. Expected one of "
            f"{', '.join(sorted(known)[:_SHOWN])}{more}."
        )


def _known_names(components: Iterable[type[Any]]) -> set[str]:
    homes = {kind.__module__ for component in components for kind in component.__mro__}
    homes = {home for home in homes if not _is_base(home)}
    seen = [value for home in homes for value in vars(sys.modules[home]).values()]
    defining = {value.__module__ for value in seen if _is_message(value)}
    defining |= {value.__name__ for value in seen if isinstance(value, ModuleType)}
    return {
        f"{module}.{name}"
        for module in defining & set(sys.modules)
        if not _is_base(module)
        for name, value in vars(sys.modules[module]).items()
        if _is_message(value) and (value.__module__, value.__name__) == (module, name)
    }


def _is_base(module: str) -> bool:
    return module.partition(".")[0] in {"builtins", "iop"}


def _is_message(value: Any) -> bool:
    return isinstance(value, type) and is_message_class(value)
