"""Run it on the board: what the host starts there over ssh, with Python 3.6 and nothing installed.

`python3 -m joulebird.harness.onboard VERB` reads one JSON object on stdin and prints JSON lines; `harness/host` is its only caller.
"""
