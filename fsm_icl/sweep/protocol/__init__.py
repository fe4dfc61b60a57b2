"""What is missing next: pure functions of the sweep file and the records."""
