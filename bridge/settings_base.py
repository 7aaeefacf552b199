"""How a setting is declared, read from the environment, and checked."""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self, dataclass_transform

from bridge.errors import ConfigurationError

__all__ = ["SettingsBase", "flag", "from_environment", "one_of", "or_none", "positive", "refusal", "status_codes"]

logger = logging.getLogger("bridge")


class _Variable:
    """Where a setting that no argument gives comes from, and how its value is checked."""

    def __init__(
        self,
        names: tuple[str, ...],
        deprecated: tuple[str, ...],
        converted: Mapping[str, Callable[[str], Any]],
        parse: Callable[[str], Any],
        check: Callable[[str, Any], Any] | None,
        default: Any,
    ) -> None:
        self.names = names
        self.deprecated = (*deprecated, *converted)
        self.default = default
        self._converted = converted
        self._check = check
        self._parse = parse

    def read(self) -> Any:
        for name in self.names + self.deprecated:
            value = os.environ.get(name)
            if value is not None:
                if name in self.deprecated:
                    _warn_of_deprecated(name, self.names[0])
                return self._converted.get(name, self._parse)(value.strip())
        return self.default

    def checked(self, name: str, value: Any) -> Any:
        """Return the value that counts. Raises ConfigurationError."""
        return value if self._check is None else self._check(f"{name} ({' or '.join(self.names)})", value)


@functools.cache
def _warn_of_deprecated(name: str, instead: str) -> None:
    """Log once in a process that a variable has a new name."""
    logger.warning("%s is deprecated: use %s instead.", name, instead)


def from_environment(
    *names: str,
    deprecated: tuple[str, ...] = (),
    converted: Mapping[str, Callable[[str], Any]] = MappingProxyType({}),
    parse: Callable[[str], Any] = str,
    check: Callable[[str, Any], Any] | None = None,
    default: Any,
) -> Any:
    """Declare a setting: the first of `names`, then of the `deprecated` ones, that is set, parsed.

    `converted`: deprecated names whose values have another form, each with what parses that.

    `check` gets the setting's name and its value, from wherever that comes, and returns the value that counts. It
    raises ConfigurationError.
    """
    return _Variable(names, deprecated, converted, parse, check, default)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(from_environment,))
class SettingsBase:
    """Settings that are keyword-only, frozen and compared by value; each is declared with `from_environment`.

    A frozen dataclass does the same, and writes and compiles its methods for every class at import: with eight fields
    that is a seventh of what `import bridge` costs.
    """

    _variables: ClassVar[dict[str, _Variable]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, _Variable)}
        for name in vars(cls).keys() & cls._variables.keys() - own.keys():  # which would have no effect
            raise TypeError(f"Expected {cls.__name__}.{name} to be declared with from_environment(), as every setting.")
        cls._variables = cls._variables | own

    def __init__(self, **arguments: Any) -> None:
        for name in arguments.keys() - self._variables.keys():
            from bridge._advice import advice_on_argument  # only an error needs it

            advice = advice_on_argument(name, self._variables)
            raise TypeError(f"{type(self).__name__} has no setting named {name!r}. {advice}")
        for name, variable in self._variables.items():
            value = arguments[name] if name in arguments else variable.read()
            vars(self)[name] = variable.checked(name, value)
        vars(self)["_explicit"] = frozenset(arguments)

    @classmethod
    def names(cls) -> Iterable[str]:
        """Return the names of the settings."""
        return cls._variables.keys()

    @classmethod
    def variables(cls) -> dict[str, tuple[str, ...]]:
        """Return the names of each setting's environment variables, the deprecated ones last."""
        return {name: variable.names + variable.deprecated for name, variable in cls._variables.items()}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return each setting's default, as it is after its check."""
        return {name: variable.checked(name, variable.default) for name, variable in cls._variables.items()}

    def values(self) -> dict[str, Any]:
        """Return the settings by their names."""
        return {name: vars(self)[name] for name in self._variables}

    def with_arguments(self, arguments: Mapping[str, Any]) -> Self:
        """Return a copy with these settings, in place of what the environment or a default gave.

        Raises TypeError for one that these settings were made with, or that they do not have, and ConfigurationError.
        """
        for name in arguments:
            if name in vars(self)["_explicit"]:
                raise TypeError(f"The setting {name} is given twice: as an argument and in settings=. Expected one.")
        return type(self)(**{**self.values(), **arguments})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: its attribute {name!r} cannot be changed.")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SettingsBase) and type(other) is type(self) and other.values() == self.values()

    def __hash__(self) -> int:
        return hash(tuple(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"


def refusal(name: str, value: object, accepted: str) -> ConfigurationError:
    """Return the error for an invalid setting."""
    try:
        shown = repr(value)
    except ValueError:  # a number of more digits than Python shows
        shown = f"of type {type(value).__name__}"
    return ConfigurationError(f"The setting {name} is {shown}; expected {accepted}.")


def flag(name: str, value: object) -> bool:
    """Return a setting that is on or off: a bool, or "true" or "false" in any case. Raises ConfigurationError."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise refusal(name, value, "'true' or 'false'")


def positive(name: str, value: object) -> int:
    """Return a setting that is a whole number above 0, or its text. Raises ConfigurationError."""
    is_text = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10
    number = int(value) if isinstance(value, str) and is_text else value
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return number
    raise refusal(name, value, "a whole number above 0")


def one_of(*accepted: str) -> Callable[[str, object], str]:
    """Return a check that accepts these values alone."""

    def check(name: str, value: object) -> str:
        if isinstance(value, str) and value in accepted:
            return value
        raise refusal(name, value, f"{', '.join(map(repr, accepted[:-1]))} or {accepted[-1]!r}")

    return check


def or_none(check: Callable[[str, object], Any]) -> Callable[[str, object], Any]:
    """Return a check that accepts None, too."""
    return lambda name, value: None if value is None else check(name, value)


def status_codes(name: str, value: object) -> frozenset[int]:
    """Return the codes in a text such as "200-399, 404", or in a list of numbers. Raises ConfigurationError.

    An invalid entry is an error: if it were ignored, a web server might never count as ready.
    """
    codes: set[int] = set()
    items = value.split(",") if isinstance(value, str) else value
    for item in items if isinstance(items, Iterable) and not isinstance(items, bytes | bytearray) else (items,):
        if isinstance(item, str) and not item.strip() and value == item:
            continue  # an empty list
        text = "" if isinstance(item, int) and not 100 <= item <= 599 else str(item)  # a huge number has no text
        match = re.fullmatch(r"\s*([1-9]\d\d)(?:\s*-\s*([1-9]\d\d))?\s*", text, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last > 599:
            raise refusal(name, value, "a list of status codes and ranges from 100 to 599, such as '404,500-599'")
        codes.update(range(first, last + 1))
    return frozenset(codes)
