"""Insight: what a site is doing, read and never changed. For the command line and the dashboard alike."""
