"""Plans: against targets, on both models, elsewhere than made, and how fast they are solved."""
