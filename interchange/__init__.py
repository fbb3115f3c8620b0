"""Flight plans of other programs, in and out: parsers and writers round one mission, each with its loss report."""
