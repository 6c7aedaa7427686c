"""A world in which everything happens that can happen between a shop and its payment providers, and what must hold."""
