"""The agent: the one container with the engine's socket. It knows four orders, and no word can be added."""
