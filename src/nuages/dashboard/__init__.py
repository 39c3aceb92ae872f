"""The page of one site. Facts come from a collector in the background: no request waits for a host."""
