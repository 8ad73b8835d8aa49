"""The folder a demo kept, read part by part, and how a difference is said. None of the product's
code."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import pyarrow.parquet as pq
from deltalake import DeltaTable


class DifferenceError(Exception):
    """A figure of the demo that the kept files do not give."""


def same(what: str, said: Any, found: Any) -> str:
    """Give the line that says what agreed; raises DifferenceError otherwise."""
    if said != found:
        raise DifferenceError(f"{what}: the demo says {said!r}, the kept files give {found!r}")
    return f"{what}: {found!r}"


@dataclass(frozen=True)
class Kept:
    """The kept folder, each part read when first asked for."""

    folder: Path

    @cached_property
    def lake(self) -> Path:
        """Where the zones are: the folder itself, or its `lake`."""
        lake = self.folder / "lake"
        return lake if lake.is_dir() else self.folder

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text("utf-8"), parse_float=Decimal)

    @cached_property
    def truth(self) -> dict[str, Any]:
        return dict(self._json("truth.json"))

    @cached_property
    def square(self) -> dict[str, Any]:
        return dict(self._json("square.json"))

    @cached_property
    def xero(self) -> dict[str, Any]:
        return dict(self._json("xero.json"))

    @cached_property
    def quarantine(self) -> list[dict[str, Any]]:
        return list(self._json("quarantine.json"))

    @cached_property
    def books(self) -> list[dict[str, Any]]:
        found = self._json("books.json")
        return list(found["entries"] if isinstance(found, dict) else found)

    @cached_property
    def raw(self) -> list[dict[str, Any]]:
        """Rows of the raw zone without the duplicate deliveries, by log sequence."""
        files = [f for f in self.lake.glob("raw/**/*.parquet") if "duplicates" not in f.parts]
        return sorted(_rows(files), key=lambda row: row["seq"])

    @cached_property
    def duplicates(self) -> list[dict[str, Any]]:
        return list(_rows(self.lake.glob("raw/duplicates/**/*.parquet")))

    def processed(self, table: str, columns: list[str]) -> list[dict[str, Any]]:
        """Rows of one Delta table of the processed zone, these columns only.

        The table names its files and pyarrow reads each; a partition's value is in its path.
        """
        rows: list[dict[str, Any]] = []
        for uri in DeltaTable(self.lake / "processed" / table).file_uris():
            file = Path(url2pathname(urlsplit(uri).path) if uri.startswith("file:") else uri)
            partition = dict(part.split("=", 1) for part in map(unquote, file.parts) if "=" in part)
            stored = [name for name in columns if name not in partition]
            found = pq.ParquetFile(file).read(columns=stored).to_pylist()
            rows += [row | partition for row in found]
        return rows

    @cached_property
    def planted_orders(self) -> set[str]:
        planted = self.truth["planted"]
        return {row["order_id"] for row in planted if row["kind"] == "D16" and "order_id" in row}


def _rows(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for file in sorted(files):
        yield from pq.ParquetFile(file).read().to_pylist()
