"""Check that docstrings and signatures agree, with numpydoc's validator on the imported objects.

A section of parameters is complete or absent; what it names exists, in the order of the signature, and
is described. (The command `numpydoc lint` reads source only and takes a dataclass to have no parameters.)
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module

from numpydoc.validate import validate

import cgcnn_md

CHECKS = {
    "GL07",  # sections in one order
    "SS02",  # the summary starts with a capital
    "SS03",  # and ends with a period
    "SS06",  # on one line
    "PR01",  # every parameter is described, where any is
    "PR02",  # what is described exists
    "PR03",  # in the order of the signature
    "PR07",  # not by a name alone
    "RT03",  # what comes back is described, where it has a section
}


def public_objects() -> Iterator[str]:
    """Give the dotted name of every public function, class and method of the package."""
    for found in pkgutil.walk_packages(cgcnn_md.__path__, "cgcnn_md."):
        if found.name.endswith("__main__"):
            continue
        module = import_module(found.name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != found.name:
                continue
            if inspect.isclass(value):
                yield f"{found.name}.{name}"
                for method, member in vars(value).items():
                    member = getattr(member, "__func__", member)
                    if inspect.isfunction(member) and member.__doc__ and not method.startswith("_"):
                        yield f"{found.name}.{name}.{method}"
            elif inspect.isfunction(value):
                yield f"{found.name}.{name}"


def complaints(name: str) -> list[str]:
    """Give what is wrong with the docstring of one object."""
    result = validate(name)
    text = result["docstring"]
    checks = CHECKS if "Parameters\n---" in text else CHECKS - {"PR01"}
    return [f"{name}: {code} {words}" for code, words in result["errors"] if code in checks]


def main() -> None:
    names = list(public_objects())
    wrong = [line for name in names for line in complaints(name)]
    print("\n".join([*wrong, f"docstrings: {len(names)} objects, {len(wrong)} complaints"]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
