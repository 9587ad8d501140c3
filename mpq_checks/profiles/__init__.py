"""Profiles: which cases exist."""

import importlib
import re

from mpq_checks.errors import ProfileError
from mpq_checks.profiles.base import Case, HasOrigin, Margin, Profile, cases
from mpq_checks.profiles.counting import Counting
from mpq_checks.profiles.margins import DEFAULT_MARGINS

__all__ = [
    "DEFAULT_MARGINS",
    "NAMES",
    "Case",
    "Counting",
    "HasOrigin",
    "Margin",
    "Profile",
    "cases",
    "load_profile",
]

NAMES = ("mini", "mini-curves", "paper", "paper-as-published")
"""The profiles that come with the package."""

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load_profile(name: str) -> Profile:
    """A profile of the package by name, or a user's own as `package.module:ATTRIBUTE`.

    Raises:
        ProfileError: no such profile, module or attribute, or it is not a Profile.
    """
    if name in NAMES:
        reference = f"mpq_checks.profiles.{name.replace('-', '_')}:profile"
    elif _REFERENCE.fullmatch(name):
        reference = name
    else:
        raise ProfileError(
            f"there is no profile {name!r}; there are {', '.join(NAMES)}, "
            "or name your own as package.module:ATTRIBUTE"
        )
    module_name, attribute = reference.split(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise ProfileError(
            f"profile {name!r}: there is no module {error.name!r}; run from the folder that "
            "holds it, or install it"
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Profile):
        raise ProfileError(
            f"profile {name!r}: {module.__file__}: {attribute} is {type(found).__name__}, "
            "not a mpq_checks.profiles.Profile"
        )
    return found
