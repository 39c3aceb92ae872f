"""Programs on a server: the gate that a deploy key reaches, and nothing else. Stdlib only; shipped as files."""
