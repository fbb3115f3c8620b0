"""The vocabulary every part of Kestrel shares; imports the standard library and pydantic only."""
