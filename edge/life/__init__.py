"""A drone's own life: its identity, its configuration, its updates, its health."""
