"""What the project is and where it lives (written last)."""
