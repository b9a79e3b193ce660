"""Block compression, BC1 to BC7: blocks of 4 x 4 texels to and from pixels."""
