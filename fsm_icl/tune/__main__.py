"""`python -m fsm_icl.tune SWEEP`."""

import typer

from fsm_icl.output import steady_output
from fsm_icl.tune.command import tune

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(tune)
    with steady_output():
        app(prog_name="python -m fsm_icl.tune")
