"""The only modules of the agent that import vendor SDKs."""
