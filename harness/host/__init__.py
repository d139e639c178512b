"""Run it from your desk: studies, boards over SSH, and the verbs that need a current Python."""
