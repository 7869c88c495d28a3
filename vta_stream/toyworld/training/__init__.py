"""How the small models are trained on the small world. What they need beside `models`: see each package."""
