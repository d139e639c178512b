"""Run it: specs, stages, records and the command line."""
