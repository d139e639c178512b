"""The board's side of `harness/host`, started there over ssh, with Python 3.6 alone.

`python3 board.pyz onboard VERB` reads one JSON object on stdin and prints JSON lines.
"""
