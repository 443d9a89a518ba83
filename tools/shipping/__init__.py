"""What `make data`, `make deploy`, `make release` and `make destroy` do: one noun a module."""
