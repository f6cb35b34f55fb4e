"""Pictures of scenes: licensed emoji art on backgrounds of our own, with the box of every object."""
