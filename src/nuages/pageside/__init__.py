"""Foreign ground: programs for a server's own Python (3.9 and newer, standard library), shipped as files."""
