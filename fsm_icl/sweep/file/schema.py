"""The JSON schema of a sweep file, from which editors complete and check it as it is typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsm_icl.sweep.file.spec import SweepSpec


def json_schema() -> dict[str, Any]:
    """JSON schema of a sweep file, for editors: a SweepSpec, its grid as users write it, and `scales:`."""
    schema = SweepSpec.model_json_schema(mode="validation")
    value: Mapping[str, Any] = {"anyOf": [{"type": ["string", "number", "boolean"]}, {"type": "array", "minItems": 1}]}
    value["anyOf"].append({"$ref": "#/$defs/Range"})
    entry = {"type": "object", "additionalProperties": value, "minProperties": 1}
    schema["properties"]["grid"] = {"anyOf": [entry, {"type": "array", "items": entry, "minItems": 1}]}
    task = schema["properties"]["task"]  # its family may be left out, so that several may fit
    task["anyOf"] = task.pop("oneOf")
    del task["discriminator"]
    definitions = schema.pop("$defs")
    partial = {f"{name}Partial": _partial(d) for name, d in definitions.items()}
    scale = _partial({k: v for k, v in schema.items() if k not in ("title", "description")})
    schema["properties"]["scales"] = {
        "type": "object",
        "additionalProperties": {"anyOf": [scale, {"type": "null"}]},
    }
    schema["required"] = ["question"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "$defs": definitions | partial,
    }


def _partial(schema: Any) -> Any:
    """The schema with nothing required, at any depth: a scale only says what differs."""
    if isinstance(schema, list):
        return [_partial(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    found = {k: _partial(v) for k, v in schema.items() if k not in ("required", "default")}
    if "$ref" in found:
        found["$ref"] += "Partial"
    return found
