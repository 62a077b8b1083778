"""Arrow tables as files of a form, a piece at a time: JSON, CSV, Parquet, Arrow."""

import io
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from dongne.standards.sensorthings.times import format_column

FORMS = {
    "json": b"application/json",
    "csv": b"text/csv; charset=utf-8",
    "parquet": b"application/vnd.apache.parquet",
    "arrow": b"application/vnd.apache.arrow.stream",
}
_CSV = pyarrow.csv.WriteOptions(quoting_header="none", batch_size=10_000)  # the names of columns are plain words
RAW = {b"json": b"raw"}  # metadata of a column whose texts are JSON already


class _Sink(io.RawIOBase):
    """What was written since it was last taken."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Writer:
    """A file in the making: bytes for each table, and those at its end. Tables have the schema given."""

    def __init__(self, form: str, schema: pa.Schema, known: dict[str, Any], *, comments: bool = True) -> None:
        self._form, self._sink = form, _Sink()
        self._file: Any = None
        self._first = True
        texts = {name: value if isinstance(value, str) else _text(value) for name, value in known.items()}
        self._schema = written_schema(schema, form).with_metadata(texts)
        match form:
            case "json":
                head = msgspec.json.encode(known)[:-1]
                self._sink.write(head + (b"," if known else b"") + b'"value":[\n')
            case "csv":
                self._sink.write(_comments(texts) if comments else b"")
                self._file = pyarrow.csv.CSVWriter(self._sink, self._schema, write_options=_CSV)
            case "parquet":
                self._file = pyarrow.parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
            case _:
                self._file = pa.ipc.new_stream(self._sink, self._schema)

    def add(self, table: pa.Table) -> bytes:
        """The bytes of these rows (with those before them, for the first)."""
        if self._form == "json":
            rows = json_rows(table)
            if rows:
                self._sink.write(rows if self._first else b",\n" + rows)
                self._first = False
        elif self._form == "csv":
            self._file.write_table(_with_texts(table).cast(self._schema))
        else:
            self._file.write_table(_without_leftovers(table.cast(self._schema)))
        return self._sink.take()

    def end(self) -> bytes:
        """The bytes that close it."""
        if self._form == "json":
            self._sink.write(b"\n]}")
        else:
            self._file.close()
        return self._sink.take()


def whole(table: pa.Table, form: str, known: dict[str, Any]) -> bytes:
    """The file of one table."""
    writer = Writer(form, table.schema, known)
    return writer.add(table) + writer.end()


def written_schema(schema: pa.Schema, form: str) -> pa.Schema:
    """What the columns are in the file: in CSV instants are texts."""
    if form != "csv":
        return schema
    fields = [pa.field(f.name, pa.string()) if pa.types.is_timestamp(f.type) else f for f in schema]
    return pa.schema([pa.field(f.name, _plain(f.type)) for f in fields])


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _without_leftovers(table: pa.Table) -> pa.Table:
    """The same with nothing under a null: Arrow writes what is there too, and that may be of a row which was left out."""
    for place, field in enumerate(table.schema):
        column = table[field.name]
        if column.null_count and not pa.types.is_dictionary(field.type):
            plain = column.combine_chunks()
            if pa.types.is_string(field.type):
                blank = plain.take(pa.array(np.arange(len(plain))))
            else:
                numbers = plain.cast(pa.int64()) if pa.types.is_timestamp(field.type) else plain
                missing = numbers.is_null().to_numpy(zero_copy_only=False)
                blank = pa.array(numbers.fill_null(0).to_numpy(), mask=missing).cast(field.type)
            table = table.set_column(place, field, blank)
    return table


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _comments(known: dict[str, str]) -> bytes:
    """Lines of # before the columns (the comment prefix of CSV on the Web's default dialect): whoever keeps the file
    keeps what may be done with it."""
    plain = {name: " ".join(value.split()).replace('"', "'") for name, value in known.items()}  # quotes mislead readers
    return "".join(f"# {name}: {value}\n" for name, value in plain.items()).encode()


def _with_texts(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(place, field.name, instants(table[field.name]))
    return table


def instants(column: pa.ChunkedArray) -> pa.Array:
    """Instants as ISO 8601 texts with Z."""
    numbers = pa.chunked_array(column.chunks, column.type).cast(pa.int64()).combine_chunks()
    texts = pa.array(format_column(numbers.fill_null(0).to_numpy()), pa.string())
    return pc.if_else(numbers.is_valid(), texts, pa.scalar(None, pa.string())) if numbers.null_count else texts


def json_rows(table: pa.Table) -> bytes:
    """The rows as JSON objects with commas between; whole columns at a time, as a step in Python for each value would take
    most of the time. What is not finite is null."""
    if not table.num_rows:
        return b""
    table = _with_texts(table)
    parts: list[Any] = []
    for field in table.schema:
        parts += [("," if parts else "{") + _text(field.name) + ":", _json_column(table[field.name], field)]
    rows = pc.binary_join_element_wise(*parts, "},\n", "", null_handling="replace", null_replacement="null")
    chunks = rows.chunks if isinstance(rows, pa.ChunkedArray) else [rows]
    return b"".join(map(_bytes_of, chunks))[:-2]


def _bytes_of(rows: pa.Array) -> bytes:
    """All texts one after the other: Arrow has them so."""
    if not len(rows):
        return b""
    large = rows.cast(pa.large_string())
    _, ends, data = large.buffers()
    places: Sequence[int] = memoryview(ends).cast("q")
    return bytes(memoryview(data)[places[large.offset] : places[large.offset + len(large)]])


def _json_column(column: pa.ChunkedArray, field: pa.Field) -> pa.Array:
    values = column.combine_chunks()
    if field.metadata == RAW:
        return values
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type)).cast(pa.string())
    if pa.types.is_integer(values.type):
        return values.cast(pa.string())
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    words = pa.array([None if word is None else _text(word) for word in coded.dictionary.to_pylist()], pa.string())
    return words.take(coded.indices)
