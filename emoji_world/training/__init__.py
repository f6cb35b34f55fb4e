"""A bank of pictures, one loop, a module for every part that learns with it, and the packing of the weights."""
