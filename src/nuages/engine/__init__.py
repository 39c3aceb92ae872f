"""Stages 6 to 9: compose, observe, plan, roll out, apply."""
