"""What was published where: kept beside the copies, so that a copy whose declaration is withdrawn can be removed.

Holds declarations as copies.yaml had them: no secret, nobody's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from shelflife.copies.declarations import FOLDER, CopyDeclaration
from shelflife.copies.registry import load_declarations
from shelflife.errors import StorageError
from shelflife.seal.files import write_atomically

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from shelflife.config import Settings

_FOLDER = ".declared"


def remembered(settings: Settings) -> dict[str, CopyDeclaration]:
    """Return the declaration under which each copy was last published; what cannot be read is left out."""
    found = {}
    for path in sorted(_folder(settings).glob("*.json")):
        try:
            found[path.stem] = CopyDeclaration.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
    return found


def standing(settings: Settings) -> dict[str, CopyDeclaration]:
    """Return the copies that can hold anybody, as they were last published.

    A withdrawn copy stands until it is removed. One that was declared for another place and not published there yet
    still stands in the former place.

    Raises:
        ConfigurationError: the declarations are wrong.
    """
    declared = load_declarations(settings)
    former = {
        name: one
        for name, one in remembered(settings).items()
        if name not in declared or place_of(one) != place_of(declared[name])
    }
    return {**declared, **former}


def place_of(declaration: CopyDeclaration) -> tuple[str, str]:
    """Return what makes a copy another place."""
    return declaration.kind, declaration.location


def remember(settings: Settings, declaration: CopyDeclaration) -> None:
    """Keep a declaration, before the first byte is published under it; the caller holds the copy's lock.

    Raises:
        StorageError: the folder of copies cannot be written.
    """
    if remembered(settings).get(declaration.name) == declaration:
        return
    folder = _folder(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder of copies cannot be made: {error.strerror}.",
            remedy="Restore write permission on `home`.",
        ) from None
    text = declaration.model_dump_json(indent=2)

    def write(sink: io.RawIOBase) -> None:
        sink.write(text.encode())

    write_atomically(folder / f"{declaration.name}.json", write, 1)


def forget(settings: Settings, name: str) -> None:
    """Drop the declaration of a copy that is gone."""
    (_folder(settings) / f"{name}.json").unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.home / FOLDER / _FOLDER
