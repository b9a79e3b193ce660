"""How every command is asked and answers wrong use: words, help, refusals, defaults, completion."""
