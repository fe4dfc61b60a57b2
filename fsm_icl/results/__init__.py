"""What is kept: records, manifest, declared claims, and the folder or object store that holds them."""
