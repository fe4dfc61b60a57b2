"""ONE TRIAL: from a TrialConfig to its stream of reports, with torch, numpy and pydantic alone.

trial.py       run_trial(config, env): the training loop, and how it ended
config.py      TrialConfig, what a trial is; RunEnv, where it runs
loop.py        train(config, env): the only training loop
state.py       all that changes while a trial trains
scoring.py     loss and accuracy on fixed episodes, the test score
checkpoint.py  the file from which a stopped trial goes on
resumable.py   what a checkpoint must hold for its trial to go on from it
weights.py     the file from which a trained model is read again
host.py        the host that a trial ran on, for its record
"""
