"""The schema, as numbered SQL files that ``payflow.store.migrate`` applies."""
