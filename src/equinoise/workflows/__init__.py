"""The verbs: what a user asks for, each a function with a typed result. Import them from `equinoise` itself."""
