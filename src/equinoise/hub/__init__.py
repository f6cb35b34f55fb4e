"""Sharing directions and plans: a folder or a repository on the Hugging Face hub, with a readable card."""

from equinoise.hub.cards import Notes
from equinoise.hub.sharing import from_pretrained, push_to_hub, save_pretrained

__all__ = ["Notes", "from_pretrained", "push_to_hub", "save_pretrained"]
