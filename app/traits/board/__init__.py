"""Boards: stages with roles, cards with ranks, the one verb that moves a card, and what changed since.

A room registers what its boards show and do (`registry.register_board`) and answers its address with
`pages.board_page(kind)`; everything else is here.
"""
