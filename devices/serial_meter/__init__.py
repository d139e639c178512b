"""Serial power meters: one transport, and one pure decoder per protocol family."""
