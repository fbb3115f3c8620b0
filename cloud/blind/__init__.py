"""Blind audits: people look at frames drawn at random, and what they saw that the platform did not is published."""
