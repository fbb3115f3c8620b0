"""The first look on board: a small detector in a process of its own, asked about key frames when it has time."""
