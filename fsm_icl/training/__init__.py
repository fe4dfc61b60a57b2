"""One trial: from a TrialConfig to its stream of reports, with torch, numpy and pydantic alone.

config.py      TrialConfig, what a trial is; RunEnv, where it runs
train.py       train(config, env): the only training loop
evaluate.py    loss and accuracy on fixed episodes, the test score
checkpoint.py  what a trial needs to go on where it was stopped
weights.py     what a trained model is read from again
run.py         run_trial(config, env): train() and how it ended
"""
