"""Where findings are shown: terminal, page, files, comparison, publication, W&B."""
