"""How the emoji model and its data are made. Not part of the installed package.

`world` reads the planted table; `scenes` draws what a picture shows, `captions` says it; `drawing` makes the picture;
`training` keeps a bank of them, learns every part from it and packs the weights; `measure` prints what the result can
do, `card` writes it down.
"""
