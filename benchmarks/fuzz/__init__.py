"""Files of every kind that is read, changed at random and read again: what ends badly."""
