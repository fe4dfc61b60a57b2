"""What a trial takes and what hosts offer: CPUs, GPUs, memory."""
