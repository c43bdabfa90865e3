"""Tables written to disk as they come, whose types are only known when the last one has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# Changes a table of a kind before it is joined with the others.
Change = Callable[["pa.Table", str], "pa.Table"]


class ArrowParts:
    """A file for each stretch of tables with one schema, until :meth:`join` makes one file of them."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.written: list[tuple[Path, pa.Schema, str]] = []
        self.writer: pa.RecordBatchStreamWriter | None = None

    def add(self, table: pa.Table, kind: str = "") -> None:
        """kind: what the change before it is joined is told of it."""
        import pyarrow as pa

        if self.writer is None or self.written[-1][1:] != (table.schema, kind):
            self.close()
            path = self.target.with_name(f"{self.target.name}.{len(self.written)}.part")
            self.written.append((path, table.schema, kind))
            self.writer = pa.ipc.new_stream(str(path), table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def join(self, changed: Change = lambda table, kind: table) -> None:
        """Write ``target`` with the types that hold all values. Raises pyarrow.ArrowException where none do."""
        import pyarrow as pa

        self.close()
        typed = [changed(schema.empty_table(), kind).schema for _, schema, kind in self.written]
        whole = pa.unify_schemas(typed, promote_options="permissive")
        if len(self.written) == 1 and whole == self.written[0][1]:
            self.written[0][0].rename(self.target)
            return
        with pa.ipc.new_stream(str(self.target), whole) as writer:
            for path, _, kind in self.written:
                for table in read_tables(path):
                    both = [whole.empty_table(), changed(table, kind)]
                    writer.write_table(pa.concat_tables(both, promote_options="permissive").combine_chunks())
                path.unlink()


def read_tables(path: Path) -> Iterator[pa.Table]:
    """The tables of a file as they were written."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])
