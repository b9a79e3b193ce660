"""Packs in object stores, as S3: mirrored into a folder of the user's cache, from which results are sent back."""
