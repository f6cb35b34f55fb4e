"""Traces → estimators → direction: where a class lies in latent space. The core of the method, readable by itself."""
