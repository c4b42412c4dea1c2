"""PayFlow's processes: composition roots, wiring and command line."""
