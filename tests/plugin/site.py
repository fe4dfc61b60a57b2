"""Packages as pip leaves them, for tests."""

from __future__ import annotations

from pathlib import Path


def install(site: Path, name: str, version: str, group: str, **points: str) -> None:
    """Lay down in `site` what pip would, for a package with these entry points of a group."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{point} = {target}" for point, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
