"""The embedded supervisor's programs: stdlib only, shipped as files and run by the host's own Python."""
