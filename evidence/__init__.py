"""Evidence that can be checked without us: a chain from the raw frame to the ticket, packed and signed."""
