"""The networks that are trained and pruned, each built from a list of channel widths."""
