"""A segment's pose track in the forms that other programs read."""
