"""Reading comma-separated files in bounded pieces, without losing a line.

Every non-empty line is one record: a quoted field cannot span lines in any format read here, so that one stray quote
spoils its own line and not the rest of the file.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv

from shelflife.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shelflife.sources.containers import ByteStream

MAX_LINE_BYTES = 1024 * 1024
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Lines:
    """Consecutive records of a file.

    Attributes:
        fields: the well-formed records, every column as text; empty text is null.
        positions: record number in the file of each row of `fields`, from 1.
        broken: text of the records with another number of fields.
        broken_positions: their record numbers.
    """

    fields: pa.Table
    positions: Sequence[int]
    broken: list[str]
    broken_positions: list[int]

    def column(self, name: str) -> pa.Array:
        """Return one column of the well-formed records."""
        return self.fields.column(name).combine_chunks()


def split_line(line: str) -> list[str] | None:
    """Return the fields of one line; None when its quotes do not match."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None


def header_fields(head: bytes) -> list[str]:
    """Return the fields of the first non-empty line; none when it is not text."""
    try:
        text = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").splitlines()[:1]
        return [field.strip() for field in split_line(text[0].decode()) or []] if text else []
    except UnicodeDecodeError:
        return []


def text_pieces(stream: ByteStream) -> Iterator[bytes]:
    """Yield a stream of UTF-8 text in pieces that end at line ends, about 1 MiB each, without byte order mark.

    Raises:
        SourceError: it is not UTF-8 text, or a line is longer than 1 MiB.
    """
    offset, rest = 0, b""
    while chunk := stream.read(_READ_BYTES):
        if offset == 0 and not rest:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        rest += chunk
        cut = max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
        if len(rest) - cut > MAX_LINE_BYTES:
            raise SourceError(
                f"A line is longer than {MAX_LINE_BYTES} bytes (after byte {offset}).",
                remedy="This is not a file of this format, or it is damaged. Ask for it again.",
            )
        if cut:
            piece, rest = rest[:cut], rest[cut:]
            check_text(piece, offset)
            yield piece
            offset += cut
    check_text(rest, offset)
    if rest:
        yield rest


def check_text(piece: bytes, offset: int) -> None:
    """Refuse bytes that are not UTF-8 text.

    Raises:
        SourceError: with the position of the first wrong byte.
    """
    nul = piece.find(b"\0")
    try:
        piece.decode()
    except UnicodeDecodeError as error:
        wrong = error.start if nul < 0 else min(nul, error.start)
    else:
        wrong = nul
    if wrong >= 0:
        raise SourceError(
            f"The file is not UTF-8 text (byte {offset + wrong}).",
            remedy="Save it as UTF-8; UTF-16 and binary files are not read.",
        )


def read_lines(stream: ByteStream, accepts: Callable[[list[str]], bool]) -> Iterator[Lines]:
    """Yield the records of a comma-separated file; its columns are named as in its header.

    Args:
        stream: the file's bytes.
        accepts: whether a header is the format's.

    Raises:
        SourceError: the header is another one, or the file is not UTF-8 text.
    """
    position, columns = 1, list[str]()
    for piece in text_pieces(stream):
        body = piece
        if not columns:
            body = piece.lstrip(b"\r\n")
            if not body:
                continue
            line = body.splitlines(keepends=True)[0]
            columns, body = _checked_header(line, accepts), body[len(line) :]
        lines = _quoted(body, columns, position) if b'"' in body else _plain(body, columns, position)
        position += len(lines.positions) + len(lines.broken)
        yield lines
    if not columns:
        raise SourceError("The file is empty.", remedy="Ask for the file again.")


def _checked_header(line: bytes, accepts: Callable[[list[str]], bool]) -> list[str]:
    columns = header_fields(line)
    if len(set(columns)) != len(columns) or not accepts(columns):
        raise SourceError(
            "The header is not the one of this format.",
            remedy="Check which export this is; do not edit its header.",
        )
    return columns


def _plain(piece: bytes, columns: Sequence[str], position: int) -> Lines:
    """Split lines without quotes, in bulk."""
    broken: list[str] = []
    numbers: list[int] = []

    def set_aside(row: pacsv.InvalidRow) -> str:
        broken.append(row.text)
        numbers.append(row.number)
        return "skip"

    if not piece.strip(b"\r\n"):
        return _no_lines(columns, position)
    fields = pacsv.read_csv(
        io.BytesIO(piece),
        # Threads would take away the numbers of rows that are set aside.
        read_options=pacsv.ReadOptions(
            column_names=list(columns), use_threads=False, block_size=len(piece) + 1
        ),
        parse_options=pacsv.ParseOptions(quote_char=False, invalid_row_handler=set_aside),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    if not broken:
        return Lines(fields, range(position, position + fields.num_rows), [], [])
    taken = [position - 1 + number for number in numbers]
    gone = set(taken)
    everything = range(position, position + fields.num_rows + len(broken))
    return Lines(fields, [number for number in everything if number not in gone], broken, taken)


def _quoted(piece: bytes, columns: Sequence[str], position: int) -> Lines:
    """Split lines one by one, since quotes must not reach across line ends."""
    good: list[list[str]] = []
    positions: list[int] = []
    broken: list[str] = []
    broken_positions: list[int] = []
    lines = (line.decode() for line in piece.splitlines() if line)
    for number, line in enumerate(lines, position):
        fields = split_line(line)
        if fields is not None and len(fields) == len(columns):
            good.append(fields)
            positions.append(number)
        else:
            broken.append(line)
            broken_positions.append(number)
    table = [
        pa.array([fields[index] or None for fields in good], pa.string()) for index in range(len(columns))
    ]
    return Lines(pa.table(table, names=list(columns)), positions, broken, broken_positions)


def _no_lines(columns: Sequence[str], position: int) -> Lines:
    empty = pa.table({name: pa.array([], pa.string()) for name in columns})
    return Lines(empty, range(position, position), [], [])
