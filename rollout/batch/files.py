"""Populations on disk: Parquet and CSV, read and written a part at a time, so that memory does not grow with the file.
What is written appears under its name when it is whole.

In CSV all is text, read by the declared types; an empty cell is missing, a quoted empty one is empty text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from rollout.core.errors import InvalidInput, RolloutError

ROWS = 131_072
"""Read from Parquet at a time."""

GROUP = 1_000_000
"""Rows of a row group that is written, at least."""

BLOCK = 2 << 20
"""Bytes read from CSV at a time."""

BUFFER = 1 << 20
"""Bytes read ahead of each column, so that a row group of any size is never in memory whole."""

SUFFIXES = (".parquet", ".csv")

Progress = Callable[[int], None]
"""Is told how many bytes or rows were dealt with since it was told last."""


@dataclass(frozen=True, slots=True)
class Population:
    """Files with the same columns, one after the other."""

    files: tuple[Path, ...]
    names: tuple[str, ...]  # of the columns
    size: int  # in bytes

    def batches(self, columns: Sequence[str], plain: Sequence[str], progress: Progress) -> Iterator[pa.RecordBatch]:
        """These columns of everybody, as far as they are there. Text is read as dictionaries, but for the columns in
        `plain`: ids. Raises InvalidInput for a file that is not what it should be."""
        wanted = [name for name in self.names if name in columns]
        for file in self.files:
            reader = _parquet_batches if file.suffix == ".parquet" else _csv_batches
            with _explained(file):
                yield from reader(file, wanted, plain, progress)


def find_population(paths: Sequence[Path]) -> Population:
    """The files, or those in the folders, that are given. Raises InvalidInput where there are none, where one is of
    another kind, and where their columns differ."""
    files = tuple(file for path in paths for file in _files(path))
    headers = []
    for file in files:
        with _explained(file):
            headers.append(_parquet_names(file) if file.suffix == ".parquet" else _csv_names(file))
    for file, header in zip(files, headers, strict=True):
        if sorted(header) != sorted(headers[0]):
            raise InvalidInput(f"{file.name} has other columns than {files[0].name}", "give files of the same kind")
        twice = [name for name in header if header.count(name) > 1]
        if twice:
            raise InvalidInput(f"{file.name} has two columns called {twice[0]}", "rename one of them")
    return Population(files, tuple(headers[0]), sum(file.stat().st_size for file in files))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.name[0] not in "._")
        if not found:
            raise InvalidInput(f"there is no .parquet or .csv file in {path}", "name a folder that has some")
        return found
    check_suffix(path)
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", "name a file of people")
    return [path]


def check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise InvalidInput(f"{path.name} is neither .parquet nor .csv", "end the file's name so that its kind is plain")


def _parquet_names(file: Path) -> list[str]:
    return list(pa_parquet.read_schema(file).names)


def _parquet_batches(
    file: Path, columns: Sequence[str], plain: Sequence[str], progress: Progress
) -> Iterator[pa.RecordBatch]:
    schema = pa_parquet.read_schema(file)
    coded = [name for name in columns if name not in plain and _is_text(schema.field(name).type)]
    with pa_parquet.ParquetFile(file, read_dictionary=coded, pre_buffer=False, buffer_size=BUFFER) as parquet:
        size, rows = file.stat().st_size, max(parquet.metadata.num_rows, 1)
        done = told = 0
        for batch in parquet.iter_batches(ROWS, columns=list(columns)):
            yield batch
            done += batch.num_rows
            progress(size * done // rows - told)
            told = size * done // rows


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _csv_names(file: Path) -> list[str]:
    with file.open("rb") as stream, _csv_reader(stream, pa_csv.ConvertOptions()) as reader:
        return list(reader.schema.names)


def _csv_batches(
    file: Path, columns: Sequence[str], plain: Sequence[str], progress: Progress
) -> Iterator[pa.RecordBatch]:
    coded = pa.dictionary(pa.int32(), pa.string())
    convert = pa_csv.ConvertOptions(
        include_columns=list(columns),
        column_types={name: pa.string() if name in plain else coded for name in columns},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with file.open("rb") as stream, _csv_reader(stream, convert) as reader:
        told = 0
        for batch in reader:
            yield batch
            at = stream.tell()
            progress(at - told)
            told = at


def _csv_reader(stream: BinaryIO, convert: pa_csv.ConvertOptions) -> Any:
    return pa_csv.open_csv(
        stream,
        read_options=pa_csv.ReadOptions(block_size=BLOCK),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=convert,
    )


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What Arrow says of a file, as an error of ours."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file.name} cannot be read: {str(error).splitlines()[0]}", "write it anew") from error


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """All of the batches, or nothing. Raises InvalidInput where the name is of no known kind, RolloutError where it
    cannot be written."""
    check_suffix(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _writer(part, path.suffix, schema) as writer:
            for table in _grouped(batches, schema):
                writer.write_table(table)
        part.replace(path)
    except OSError as error:
        raise RolloutError(f"{path} cannot be written: {error.strerror or error}", "is there room for it?") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _writer(part: Path, suffix: str, schema: pa.Schema) -> Any:
    if suffix == ".csv":
        return pa_csv.CSVWriter(part, schema)
    repeating = [name for name in schema.names if name != "id"]
    return pa_parquet.ParquetWriter(
        part, schema, compression="zstd", use_dictionary=repeating or False, write_statistics=repeating or False
    )


def _grouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Some more rows at a time, as suits whoever reads them: each is a row group."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= GROUP:
            yield pa.Table.from_batches(waiting, schema)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema)
