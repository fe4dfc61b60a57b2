"""`python -m fsm_icl.tune SWEEP`."""

import signal

import typer

from fsm_icl.tune.command import tune

if __name__ == "__main__":
    # A process that a script starts with `&` inherits SIGINT ignored, and Ctrl-C would do nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(tune)
    app(prog_name="python -m fsm_icl.tune")
