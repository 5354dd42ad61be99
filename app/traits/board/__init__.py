"""Boards: stages with roles, cards with ranks, the one verb that moves a card, and what changed since."""
