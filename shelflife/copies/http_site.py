"""What a declared HTTP cache is: its nodes, the addresses of its pages, and how a page is purged. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from shelflife.copies.items import Opening

Variant = tuple[tuple[str, str], ...]

_LINE_BYTES = 4_000
"""Varnish takes header lines of 8 KiB, others of 4 KiB."""

_WORD = r"[A-Za-z][A-Za-z0-9-]{0,63}"
_OPTIONS = frozenset(
    {"pages", "nodes", "purge_by", "purge_method", "purge_address", "purge_header", "variants"}
)
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True)
class Site:
    """One declared HTTP cache.

    Attributes:
        copy: the copy's name.
        secure: whether its nodes are asked over TLS.
        nodes: host and port of each node; every one is purged and asked by itself.
        host: the name that readers ask for (header Host).
        authorization: the header Authorization of purges, if the cache wants one.
        pages: paths, in which {token} and {dataset} stand for what a page is about.
        variants: request headers that pages vary by, one set for each variant that is looked at; the first is empty.
        purge_by: by words (surrogate keys) that pages carry, or address by address.
        purge_method: the request's method.
        purge_address: the path that a purge by words is sent to.
        purge_header: the header that holds the words, separated by spaces.
    """

    copy: str
    secure: bool
    nodes: tuple[tuple[str, int], ...]
    host: str
    authorization: str | None = field(repr=False)
    pages: tuple[str, ...]
    variants: tuple[Variant, ...] = ((),)
    purge_by: Literal["words", "address"] = "words"
    purge_method: str = "PURGE"
    purge_address: str = "/"
    purge_header: str = "Surrogate-Key"

    def addresses(self, dataset: str, token: bytes | None) -> list[str]:
        """Return the paths of the pages about a person, or of those about a whole dataset."""
        word = "" if token is None else token.hex()
        return [
            page.replace("{token}", word).replace("{dataset}", dataset)
            for page in self.pages
            if ("{token}" in page) is (token is not None)
        ]


def words(tokens: Collection[bytes], datasets: Collection[str] | None) -> list[str]:
    """Return what a purge names people by: `<token>`, or `<token>.<dataset>` for single datasets."""
    if datasets is None:
        return sorted(token.hex() for token in tokens)
    return sorted(f"{token.hex()}.{dataset}" for token in tokens for dataset in datasets)


def lines(named: Iterable[str]) -> Iterator[str]:
    """Yield words joined by spaces, each line short enough for one header."""
    line = ""
    for word in named:
        if line and len(line) + 1 + len(word) > _LINE_BYTES:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    if line:
        yield line


def site_of(opening: Opening) -> Site:
    """Read a declared HTTP cache.

    Raises:
        ConfigurationError: an option is missing, unknown or wrong, or the copy is declared to be encrypted.
    """
    if opening.encrypted:
        raise _wrong(opening, "an HTTP cache holds what its readers get: declare `encryption: none`")
    options = opening.options
    if set(options) - _OPTIONS:
        raise _wrong(opening, f"it knows the options {', '.join(sorted(_OPTIONS))}")
    url = urlsplit(opening.location)
    default = 443 if url.scheme == "https" else 80
    try:
        own = (url.hostname or "", url.port or default)
        nodes = tuple(_node(node, own[1]) for node in _list(opening, "nodes")) or (own,)
    except ValueError:
        raise _wrong(opening, "`nodes` is a list of host:port") from None
    return Site(
        copy=opening.name,
        secure=url.scheme == "https",
        nodes=nodes,
        host=url.netloc.rpartition("@")[2],
        authorization=_authorization(url.username, url.password),
        pages=tuple(_pages(opening, url.path.rstrip("/"))),
        variants=((), *_variants(opening)),
        purge_by=_purge_by(opening),
        purge_method=_text(opening, "purge_method", "PURGE", r"[A-Z]{3,20}"),
        purge_address=_text(opening, "purge_address", "/", r"/\S*"),
        purge_header=_text(opening, "purge_header", "Surrogate-Key", _WORD),
    )


def _pages(opening: Opening, base: str) -> Iterator[str]:
    pages = _list(opening, "pages")
    if not pages:
        raise _wrong(opening, "`pages` lists the paths of its pages")
    for page in pages:
        if not re.fullmatch(r"/[\x21-\x7e]*", page) or set(_PLACEHOLDER.findall(page)) - {"token", "dataset"}:
            raise _wrong(opening, "a page is a path in which {token} and {dataset} may stand")
        yield base + page


def _variants(opening: Opening) -> Iterator[Variant]:
    for line in _list(opening, "variants"):
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(_WORD, name) or not value.strip().isprintable():
            raise _wrong(opening, "`variants` is a list of request headers such as `Accept-Language: de`")
        yield ((name, value.strip()),)


def _purge_by(opening: Opening) -> Literal["words", "address"]:
    chosen = opening.options.get("purge_by", "words")
    if chosen == "words":
        return "words"
    if chosen == "address":
        return "address"
    raise _wrong(opening, "`purge_by` is `words` or `address`")


def _node(text: str, port: int) -> tuple[str, int]:
    url = urlsplit(f"//{text}")
    if not url.hostname or url.path or url.username:
        raise ValueError("node")
    return url.hostname, url.port or port


def _authorization(user: str | None, password: str | None) -> str | None:
    """Return HTTP basic credentials, or what stands alone before the @ as a bearer token."""
    if not user and not password:
        return None
    if password is None:
        return f"Bearer {unquote(user or '')}"
    pair = f"{unquote(user or '')}:{unquote(password)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _list(opening: Opening, name: str) -> list[str]:
    value = opening.options.get(name, [])
    if not isinstance(value, list):
        raise _wrong(opening, f"`{name}` is a list of texts")
    return value


def _text(opening: Opening, name: str, default: str, pattern: str) -> str:
    value = opening.options.get(name, default)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise _wrong(opening, f"`{name}` is not of the form that it needs")
    return value


def _wrong(opening: Opening, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The declaration of the copy {opening.name} is wrong: {why}.", remedy="See docs/copies-http.md."
    )
