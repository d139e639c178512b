"""House rules that no general tool checks: words, sizes, import circles. `python -m tests.lint`."""
