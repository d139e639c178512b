"""The faults of a saved state that belongs to another network, and of too little memory."""

# the errors that the saved state of another network can cause
MISFITS = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)


def misfit(error: Exception) -> str:
    r"""Return the fault of a saved state on one line.

    >>> misfit(KeyError("state")), misfit(RuntimeError("Error(s) in Vgg16:\n\tsize mismatch"))
    ("it has no 'state'", 'size mismatch')
    """
    lines = str(error).splitlines() or [type(error).__name__]
    return f"it has no {error}" if isinstance(error, KeyError) else lines[-1].strip()


def lacks_memory(error: Exception) -> bool:
    """Return whether torch ran out of memory, on a device or on the host."""
    return "out of memory" in str(error) or "allocate memory" in str(error)
