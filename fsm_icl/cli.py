"""`fsm-icl`: thin commands, no logic. Heavy imports stay inside them, so that --help answers at once."""

from __future__ import annotations

import typer

from fsm_icl.tune.command import tune

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which recurrent architecture learns finite-state machines in context, and how sure are we?",
)
app.command()(tune)


@app.command()
def schema() -> None:
    """Print the JSON schema of a sweep file (tune_configs/sweep.schema.json)."""
    import json

    from fsm_icl.sweep.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
