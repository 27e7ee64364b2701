"""The declared copies, opened: each kind is one adapter module and one inspector module, imported when needed.

`shelflife.copies.<kind>` has `open_adapter(opening) -> CopyAdapter`; `shelflife.copies.inspectors.<kind>` has
`open_inspector(opening) -> CopyInspector` and imports no adapter.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import yaml

from shelflife.copies.catalog_items import NO_INPUTS, CatalogItems, InCommit
from shelflife.copies.declarations import SCHEMES, SECRET, CopyDeclaration, CopyDeclarations
from shelflife.copies.items import Opening
from shelflife.errors import ConfigurationError
from shelflife.lake.models import load_models
from shelflife.policy.located_yaml import parse_located

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.config import Settings
    from shelflife.copies.protocol import CopyAdapter, CopyInspector
    from shelflife.estate import Estate
    from shelflife.lake.models import Model

FILE = "copies.yaml"
_EXTRAS = {"redis_cache": "redis", "http_cache": "http"}


def load_declarations(settings: Settings) -> dict[str, CopyDeclaration]:
    """Read the declared copies, by name. Without the file there are none.

    Raises:
        ConfigurationError: the file is wrong, or a dataset does not exist or has no column of the declared classes;
            file and line are named.
    """
    path = settings.policies / FILE
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"The file {FILE} cannot be read.", remedy="Make it a readable UTF-8 file (setting `policies`)."
        ) from None
    declared = parse_located(text, name=FILE, model=CopyDeclarations)
    _check_datasets(declared, load_models(settings.models), text)
    return {one.name: one for one in declared.copies}


def declaration_of(settings: Settings, name: str) -> CopyDeclaration:
    """Return one declared copy.

    Raises:
        ConfigurationError: no copy of that name is declared.
    """
    declared = load_declarations(settings)
    if name not in declared:
        raise ConfigurationError(
            "There is no such copy.",
            remedy=f"Name one of: {', '.join(sorted(declared)) or 'none is declared'}.",
        )
    return declared[name]


def open_adapter(
    estate: Estate,
    declaration: CopyDeclaration,
    *,
    inputs_hash: bytes = NO_INPUTS,
    in_commit: InCommit | None = None,
) -> CopyAdapter:
    """Open a copy.

    Args:
        estate: the estate.
        declaration: the copy.
        inputs_hash: digest over what the next publication is made from.
        in_commit: called in every commit that changes what stands for the copy.

    Raises:
        ConfigurationError: a package or the secret of its location is missing.
    """
    opening = opening_of(estate, declaration, inputs_hash=inputs_hash, in_commit=in_commit)
    adapter: CopyAdapter = _module(declaration.kind, "shelflife.copies").open_adapter(opening)
    return adapter


def open_inspector(estate: Estate, declaration: CopyDeclaration) -> CopyInspector:
    """Open a copy to look at it from outside.

    Raises:
        ConfigurationError: a package or the secret of its location is missing.
    """
    module = _module(declaration.kind, "shelflife.copies.inspectors")
    inspector: CopyInspector = module.open_inspector(opening_of(estate, declaration))
    return inspector


def opening_of(
    estate: Estate,
    declaration: CopyDeclaration,
    *,
    inputs_hash: bytes = NO_INPUTS,
    in_commit: InCommit | None = None,
) -> Opening:
    """Return what an adapter or inspector of a copy is opened with."""
    encrypted = declaration.encryption == "native"
    return Opening(
        name=declaration.name,
        location=located(estate.settings, declaration),
        datasets=tuple(declaration.datasets),
        ttl=declaration.lifetime,
        encrypted=encrypted,
        options=declaration.options,
        items=CatalogItems(estate, declaration.name, declaration.lifetime, encrypted, inputs_hash, in_commit),
    )


def located(
    settings: Settings, declaration: CopyDeclaration, environment: Mapping[str, str] | None = None
) -> str:
    """Return where a copy is: an absolute folder, or its URL with the secret filled in.

    Raises:
        ConfigurationError: the environment variable with the secret is not set.
    """
    if not SCHEMES[declaration.kind]:
        return str(settings.home / declaration.location)
    values = os.environ if environment is None else environment
    missing = [name for name in SECRET.findall(declaration.location) if name not in values]
    if missing:
        raise ConfigurationError(
            f"The secret of the copy {declaration.name} is not set.",
            remedy=f"Set the environment variable {missing[0]}.",
        )
    return SECRET.sub(lambda found: values[found[1]], declaration.location)


def _module(kind: str, package: str) -> Any:
    """Import the module of a kind; its own optional package may be missing."""
    try:
        return import_module(f"{package}.{kind}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("shelflife"):
            raise ConfigurationError(
                f"This version of shelflife has no {package.rpartition('.')[2]} for the kind {kind}.",
                remedy="Remove the copy from copies.yaml.",
            ) from None
        raise ConfigurationError(
            f"Copies of the kind {kind} need a package that is not installed.",
            remedy=f'Run: pip install "shelflife[{_EXTRAS.get(kind, kind)}]"',
        ) from None


def _check_datasets(declared: CopyDeclarations, models: Mapping[str, Model], text: str) -> None:
    problems = [
        f"{FILE}:{_line_of(text, place)}: {what}"
        for number, one in enumerate(declared.copies)
        for place, what in _problems(one, ("copies", number), models)
    ]
    if problems:
        raise ConfigurationError(
            "\n".join(problems), remedy="Correct the lines named; see the folder of models."
        )


def _problems(
    one: CopyDeclaration, here: tuple[str | int, ...], models: Mapping[str, Model]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what is wrong with a declaration in view of the models, and where."""
    offered: set[str] = set()
    for number, name in enumerate(one.datasets):
        place = (*here, "datasets", number)
        if name not in models:
            yield place, f"there is no model {name}"
            return
        classes = set(models[name].classes.values())
        offered |= classes
        # That somebody has rows of a kind says something too: keys alone are not published by the way.
        if len(one.classes) > 1 and not classes & (set(one.classes) - {"ordinary"}):
            yield place, f"the model {name} has no values of the declared classes"
    for number, sensitivity in enumerate(one.classes):
        if sensitivity not in offered:
            yield (*here, "classes", number), f"no dataset of the copy has columns of the class {sensitivity}"


def _line_of(text: str, place: tuple[str | int, ...]) -> int:
    """Return the line of a place in a YAML text that was parsed before."""
    node: yaml.Node = yaml.compose(text, yaml.SafeLoader)  # type: ignore[assignment]  # parsed before
    for step in place:
        if isinstance(node, yaml.MappingNode):
            node = next(child for key, child in node.value if key.value == step)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
    return int(node.start_mark.line) + 1
