"""How the emoji model and its data are made. Not part of the installed package.

`art` fetches the drawings, `world` reads the planted table, `captions` and `compose` turn a cell of the
world into a caption and a picture, `bank` keeps many of them, `train_*` learn from them, `assemble` packs the
weights, `measure` prints what the result can do.
"""
