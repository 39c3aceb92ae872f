"""Forms in which projects say what they need: one file each; registry.py has their order."""
