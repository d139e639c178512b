"""Power meters that talk over a wire: one transport, and one pure decoder for each family of protocols."""
