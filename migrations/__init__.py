"""The schema, as numbered SQL files that ``payflow.store.schema.migrate`` applies."""
