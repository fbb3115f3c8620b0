"""Faults over a whole running platform, at random, with an oracle for each invariant."""
