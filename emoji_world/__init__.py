"""How the emoji model and its data are made. Not part of the installed package.

`declaration` and `world` read the planted tables; `scenes` samples what a picture shows, `captions` puts it into words;
`drawing` makes the picture; `training` makes a bank of pictures, trains every part of the model on it and packs the
weights; `measure` measures what the model can do, `card` writes the model card.
"""
