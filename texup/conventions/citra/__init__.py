"""Citra, the Nintendo 3DS emulator, and its successors."""
