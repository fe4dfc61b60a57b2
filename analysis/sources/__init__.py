"""Where a sweep comes from: a results folder, W&B, offline W&B logs, a snapshot."""
