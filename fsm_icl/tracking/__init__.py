"""W&B: what is logged of a sweep, where, and how it is sent."""
