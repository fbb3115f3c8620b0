"""The agent on the drone."""

VERSION = "0.1.0"
