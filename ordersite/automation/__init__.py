"""Rules that staff build without code: when something happens, if conditions hold, then actions. See `engine.run`."""
