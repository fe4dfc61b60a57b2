"""A frozen copy of all that an analysis read: snapshot.parquet (records) and snapshot.json (manifest, origin).

Everything is rendered again from these two files alone: python -m analysis FOLDER, the folder they lie in.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from analysis.sources.packing import Packer, unpacked
from analysis.sources.sweep import SourceContents, Sweep, checked
from fsm_icl.results.reading import parse_json
from fsm_icl.results.records import FrozenModel, Manifest, TrialRecord

_AT_ONCE = 200
"""Records that are whole at the same time while a snapshot is written or read; a row group of the file."""
_PACKAGES = ("fsm-icl", "matplotlib", "numpy", "pandas", "pyarrow", "scipy")
_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
_SLICES = pa.list_(pa.struct({"label": _TEXT, "correct": _WHOLE, "total": _WHOLE}))
_MACHINES = pa.list_(pa.int32())
_TEST = pa.struct(
    {"accuracy": _REAL, "loss": _REAL, "slices": pa.map_(_TEXT, _SLICES)}
    | dict.fromkeys(("machine_correct", "machine_total", "machine_class"), _MACHINES)
)
_END = pa.struct(
    dict.fromkeys(("outcome", "reason", "node", "device", "cpu_model"), _TEXT)
    | dict.fromkeys(("num_params", "state_size", "flops_per_token", "steps", "peak_memory_bytes", "threads"), _WHOLE)
    | dict.fromkeys(("seconds", "steps_per_second", "tokens_per_second", "started_at", "ended_at"), _REAL)
    | {"versions": pa.map_(_TEXT, _TEXT), "test": _TEST}
)
_REPORT = pa.struct({"step": _WHOLE, "metrics": pa.map_(_TEXT, _REAL)})
_PLACE = pa.struct({"cell": _TEXT, "phase": _TEXT, "repeat": _WHOLE, "index": _WHOLE})
SCHEMA = pa.schema(
    {"hash": _TEXT, "config": _TEXT, "place": _PLACE, "reports": pa.list_(_REPORT), "end": _END}
    | {"format": _WHOLE, "commit": _TEXT, "dirty": pa.bool_(), "imported": _TEXT}
)
"""One row a record, those no longer wanted too; `config` is JSON, because its fields differ by architecture, and so is
`imported`. Snapshots of earlier versions lack `imported` and `place`, and have other columns for slices."""


class Origin(FrozenModel):
    """Where a snapshot came from."""

    format: Literal[1] = 1
    command: str
    """What was typed."""
    created_at: str
    """UTC, ISO 8601."""
    commits: list[str]
    """Git commits of the code that trained the records; "+" after those with uncommitted changes."""
    trained_with: dict[str, list[str]]
    """Package -> its versions among the records."""
    versions: dict[str, str]
    """Packages that made the snapshot."""
    manifest: Manifest


def origin(sweep: Sweep, command: str) -> Origin:
    """Where the numbers of `sweep` come from, as of now."""
    records = [*sweep.records.values(), *sweep.unwanted.values()]
    trained: dict[str, set[str]] = {}
    for record in records:
        for package, number in record.end.versions.items():
            trained.setdefault(package, set()).add(number)
    return Origin(
        command=command,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commits=sorted({f"{record.commit}{'+' if record.dirty else ''}" for record in records if record.commit}),
        trained_with={package: sorted(numbers) for package, numbers in sorted(trained.items())},
        versions={"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
        manifest=sweep.manifest,
    )


def write_snapshot(sweep: Sweep, folder: Path, came_from: Origin) -> list[Path]:
    """Write snapshot.parquet and snapshot.json into `folder`; returns their paths."""
    records = {**sweep.records, **sweep.unwanted}
    parquet, described = folder / "snapshot.parquet", folder / "snapshot.json"
    hashes = sorted(records)
    with pq.ParquetWriter(parquet, SCHEMA, compression="zstd") as writer:
        for start in range(0, max(1, len(hashes)), _AT_ONCE):
            rows = [_row(records[hash_]) for hash_ in hashes[start : start + _AT_ONCE]]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    described.write_text(came_from.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return [parquet, described]


def load_snapshot(folder: Path) -> Sweep:
    """The sweep that was frozen in `folder`, checked like any other source.

    Raises:
        ValueError: a file is not what it should be; the message names it.
        OSError: snapshot.json can't be read.
    """
    path, described = folder / "snapshot.parquet", folder / "snapshot.json"
    came_from = parse_json(described, described.read_bytes(), Origin)
    try:
        table, pack = pq.read_table(path, schema=_schema_of(path)), Packer()
        records = {record.hash: pack(record) for record in _records(table)}
    except (OSError, pa.ArrowException, ValidationError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as a snapshot: {str(error).splitlines()[0]}") from error
    return checked(SourceContents(folder, str(described), came_from.manifest, records))


def is_snapshot(folder: Path) -> bool:
    """Whether `folder` holds one."""
    return (folder / "snapshot.json").is_file()


def _row(record: TrialRecord) -> dict[str, Any]:
    source = record.imported.model_dump_json() if record.imported is not None else None
    return unpacked(record).model_dump() | {"config": json.dumps(record.config, sort_keys=True), "imported": source}


def _schema_of(path: Path) -> pa.Schema:
    """SCHEMA, with `end` as the file has it."""
    end = pq.read_schema(path).field("end")
    return SCHEMA.set(SCHEMA.get_field_index("end"), end)


def _records(table: pa.Table) -> Iterator[TrialRecord]:
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            source = json.loads(row["imported"]) if row["imported"] is not None else None
            yield TrialRecord.model_validate(row | {"config": json.loads(row["config"]), "imported": source})
