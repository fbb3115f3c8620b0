"""The whole platform on one machine: processes, certificates, resources, and the program ``kestrel``."""
