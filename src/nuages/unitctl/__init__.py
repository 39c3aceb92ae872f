"""Foreign ground, shipped as files to servers: the words of the supervisor, said to systemd. Stdlib only, Python 3.9+."""
