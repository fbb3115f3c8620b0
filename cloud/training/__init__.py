"""Detectors trained on what people judged: labels, the gate, a person's yes, which version is in force."""
