"""WHAT LEARNS: specs, which are plain data, and the torch modules that they build.

A new architecture is one file beside this one and one line in registry.py. Specs import no torch, so that a sweep
file is checked in milliseconds.

    registry.py        which architectures there are, those of installed packages too
    rnn.py             the vanilla recurrent network
    mi_rnn.py          the vanilla network with multiplicative integration
    gru.py             the gated recurrent unit
    lstm.py            long short-term memory
    spec.py            the base that every architecture's spec extends, with its formulas
    core.py            what every recurrent network offers the shell
    shell.py           embedding -> core -> dropout -> readout, the same for all
    stack.py           layers one above the other, with norm, residual connection, dropout
    scan.py            applies a step to one token after another
    torch_layers.py    torch's own recurrent layers as cores
    state_dropout.py   the vanilla network whose carried state is dropped out
    initialisation.py  how recurrent matrices start
"""
