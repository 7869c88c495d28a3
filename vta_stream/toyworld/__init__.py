"""Short videos and small models made by code, for the demo and the tests."""
