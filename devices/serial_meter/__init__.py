"""Read power meters over a wire: one transport, and one pure decoder for each family."""
