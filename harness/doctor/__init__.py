"""The checks of `joulebird doctor`, in the order in which they are shown."""

from joulebird.harness.doctor import board, power, software

CHECKS = board.CHECKS + power.CHECKS + software.CHECKS
