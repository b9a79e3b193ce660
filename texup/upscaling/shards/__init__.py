"""A pack in parts: cut for machines that do not talk to each other, and put together again."""
