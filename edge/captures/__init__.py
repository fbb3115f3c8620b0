"""Captures made without this agent: a camera's memory card into manifests."""
