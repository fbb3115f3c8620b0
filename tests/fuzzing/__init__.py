"""Fuzzing of every parser that reads foreign bytes; ``python -m tests.fuzzing --minutes 10`` is the long run."""
