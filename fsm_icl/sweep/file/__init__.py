"""The sweep file that a user writes: its fields, its cells, and what is wrong with it."""
