"""Parquet and Arrow files to tables, a part of a row group or record batch at a time."""

from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from pipeline.data.origins import ORIGIN, visible
from pipeline.errors import BadInput, Problem
from pipeline.sources.reading import batching
from pipeline.sources.reading.locating import Located

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(file: Located) -> "Iterator[pa.Table]":
    """Raises BadInput for a file that is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open() as stream, pq.ParquetFile(stream, pre_buffer=False) as opened:
            rows = opened.iter_batches(batching.ROWS, use_threads=False)
            yield from _numbered(rows, file.name)
    except pa.ArrowException as error:
        raise BadInput(Problem(where=file.name, what=f"is not a parquet file: {error}")) from error


def read_arrow(file: Located) -> "Iterator[pa.Table]":
    """Arrow's file format, or its streaming format (what ``datasets`` writes). Raises BadInput for other files."""
    import pyarrow as pa

    with file.open() as stream:
        is_file = stream.read(6) == b"ARROW1"
    try:
        with file.open() as stream:
            yield from _numbered(_file_batches(stream) if is_file else pa.ipc.open_stream(stream), file.name)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(Problem(where=file.name, what=f"is not an arrow file: {error}")) from error


def _file_batches(stream: IO[bytes]) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    opened = pa.ipc.open_file(stream)
    return (opened.get_batch(number) for number in range(opened.num_record_batches))


def _numbered(batches: "Iterable[pa.RecordBatch]", name: str) -> "Iterator[pa.Table]":
    """With the number of each row, from 1, in place of its line."""
    import pyarrow as pa

    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, batching.ROWS):
            part = batch.slice(start, batching.ROWS)
            places = [f"{name}:{number + row}" for row in range(1, part.num_rows + 1)]
            number += part.num_rows
            table = pa.Table.from_batches([part])
            yield table.select(visible(table.column_names)).append_column(
                ORIGIN, pa.array(places, pa.string())
            )
