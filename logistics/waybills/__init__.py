"""Orders waybills from carriers, each once."""
